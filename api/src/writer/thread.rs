//! The writer's thread: decides what is in the queue, appends it, and looks after its term.

use super::{Message, QUEUE, Writer, desk::Desk, in_flight::Appending, stopping, sweep::Sweeper};
use crate::{
    clock::Clock,
    cluster::{Cluster, Vigil},
    leases::Leases,
    vital::Vital,
};
use mcpctl_events::{
    log::{AppendError, EventLog},
    replica::Replica,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::Duration,
};
use tokio::sync::{
    mpsc::{self, error::TryRecvError},
    oneshot,
};

/// Messages that are decided before the next append.
const BATCH: usize = 512;
/// The writer is asked to look after itself far more often than this. If it is not, the process was stopped, or the
/// machine had no time for it, and what was to be heard meanwhile was not.
const STOOD_STILL: Duration = Duration::from_secs(5);
/// Longest time between an append and its read-back.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses between two claims after a doubt.
const CLAIM_BACKOFF: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// What the writer's thread works with.
pub struct WriterThread {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The fold, kept by the follower.
    pub replica: Arc<RwLock<Replica>>,
    /// Shared with the follower.
    pub desk: Arc<Mutex<Desk>>,
    /// When sessions were heard.
    pub leases: Arc<Leases>,
    /// Clock and ids.
    pub clock: Clock,
    /// What expires when.
    pub sweeper: Sweeper,
    /// When it was last asked to look after itself.
    pub alive_at: Duration,
    /// Where others may lead: when this process may claim.
    pub vigil: Option<Arc<Vigil>>,
}

impl WriterThread {
    /// Starts the thread. Where others may lead, `cluster` is the way to them.
    pub fn spawn(
        self,
        vital: Vital,
        cluster: Option<Arc<Cluster>>,
    ) -> std::io::Result<(Writer, thread::JoinHandle<()>)> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let (desk, clock) = (self.desk.clone(), self.clock);
        let thread = thread::Builder::new().name("writer".into()).spawn(move || {
            let _vital = vital;
            self.run(messages);
        })?;
        Ok((Writer { queue, desk, clock, cluster }, thread))
    }

    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        self.begin();
        while self.receive(&mut messages, &mut batch) {
            if let Some(stopped) = self.turn(&mut batch) {
                messages.close();
                while let Ok(message) = messages.try_recv() {
                    message.refuse(&stopping());
                }
                let _ = stopped.send(());
                return;
            }
        }
    }

    pub(super) fn begin(&mut self) {
        self.alive_at = self.clock.uptime();
        self.watch_clocks();
        if self.vigil.is_none() {
            self.claim();
        }
        self.flush();
    }

    /// Waits for messages, unless there is a sweep to go on with; false once there will be no more.
    fn receive(&self, messages: &mut mpsc::Receiver<Message>, batch: &mut Vec<Message>) -> bool {
        if !self.sweeper.is_sweeping() {
            return messages.blocking_recv_many(batch, BATCH) > 0;
        }
        while batch.len() < BATCH {
            match messages.try_recv() {
                Ok(message) => batch.push(message),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    /// Decides a batch and a part of the sweep under way, and appends what came of it. Returns who asked it to stop: it
    /// has resigned then.
    pub(super) fn turn(&mut self, batch: &mut Vec<Message>) -> Option<oneshot::Sender<()>> {
        let mut messages = batch.drain(..);
        while let Some(message) = messages.next() {
            match message {
                Message::Command(job) => self.desk().decide(*job, &self.clock, &self.leases),
                Message::Sweep(answer) => self.sweep(answer),
                Message::Tick => {
                    self.notice_a_standstill();
                    self.alive_at = self.clock.uptime();
                    self.check();
                }
                Message::Stop(stopped) => {
                    messages.for_each(|message| message.refuse(&stopping()));
                    self.stop();
                    return Some(stopped);
                }
            }
        }
        drop(messages);
        self.go_on_sweeping();
        self.flush();
        None
    }

    /// Who could not be heard is not called silent: every lease begins anew, as after an election. A turn that took long
    /// is no different: what came meanwhile is still in the queue.
    pub(super) fn notice_a_standstill(&mut self) {
        let uptime = self.clock.uptime();
        let stood_still = uptime.saturating_sub(self.alive_at);
        if stood_still < STOOD_STILL {
            return;
        }
        self.alive_at = uptime;
        tracing::warn!(
            seconds = stood_still.as_secs(),
            "nothing was written for a while, by a server or a log that stood still: all sessions have a full lease again"
        );
        let desk = self.desk();
        let sessions = desk.staged.sessions.iter();
        self.leases.grant(sessions.map(|(id, session)| (id, session.last_heartbeat_at)), uptime);
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what is staged: the only place that does.
    fn flush(&self) {
        let records = self.desk().take_outgoing();
        if records.is_empty() {
            return;
        }
        match self.log.append(&records) {
            Ok(()) => self.desk().appended(self.clock.uptime()),
            Err(error) => self.doubt(&error),
        }
    }

    fn doubt(&self, error: &AppendError) {
        tracing::error!(%error, "appending to the log failed; claiming anew");
        let appending = match error {
            AppendError::Unknown(_) => Appending::Unknown,
            AppendError::NotWritten(_) | AppendError::DiskFull(_) => Appending::NotWritten,
        };
        self.desk().doubt(&error.to_string(), appending, self.clock.uptime());
    }

    /// At each tick: claims anew after a doubt, and doubts what does not come back.
    fn check(&self) {
        let uptime = self.clock.uptime();
        let unread = self.desk().unread_since();
        if unread.is_some_and(|since| uptime.saturating_sub(since) > READ_BACK_TIMEOUT) {
            tracing::error!("an appended record was not read back within 5 s; claiming anew");
            self.desk().doubt("the log does not give back what was appended", Appending::Unknown, uptime);
        }
        if self.desk().may_claim(uptime, &CLAIM_BACKOFF) && self.may_lead(uptime) {
            self.claim();
        }
    }

    /// Whether nobody else leads, as far as can be known. After a doubt, who led may claim before others do.
    fn may_lead(&self, uptime: Duration) -> bool {
        let Some(vigil) = &self.vigil else { return true };
        let holder = self.replica.read().unwrap_or_else(PoisonError::into_inner).admission.holder;
        vigil.may_claim(uptime, holder) || self.desk().was(holder)
    }

    fn claim(&self) {
        let admitted = self.replica.read().unwrap_or_else(PoisonError::into_inner).admission.clone();
        self.desk().claim(&admitted, &self.clock);
    }

    fn stop(&mut self) {
        self.flush();
        self.desk().resign(&self.clock);
        self.flush();
    }
}
