//! The single writer: the only place that appends.
//!
//! Commands, heartbeats and sweeps come through one bounded queue. A thread of its own decides each against the state
//! staged so far and appends what was decided in one batch; the next batch forms while the last one syncs. Nobody is
//! answered before the record was read back admitted by the [follower](crate::follower).

mod breaker;
mod desk;
mod sweep;

pub use desk::{Answer, Desk, Done, Waiting};
pub use sweep::SweepReport;

use crate::{clock::Clock, leases::Leases, vital::Vital};
use mcpctl_events::{
    command::Command,
    leadership::Stamp,
    log::{AppendError, EventLog},
    name::Name,
    record::{Actor, Idempotency},
    rejection::Rejection,
    replica::Replica,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait for the writer.
const QUEUE: usize = 4096;
/// Messages that are decided before the next append.
const BATCH: usize = 512;
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

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The rules are against it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for another request; use a new key")]
    KeyOfAnotherRequest,
    /// The user has too many keys.
    #[error("100,000 Idempotency-Keys of this user are remembered; wait, or send none")]
    TooManyKeys,
    /// It may have been done.
    #[error("the outcome is unknown; retry with the same Idempotency-Key")]
    OutcomeUnknown,
    /// Nobody writes at the moment.
    #[error("no writer: {0}")]
    NoWriter(String),
    /// Too many commands wait.
    #[error("too many changes are waiting to be written")]
    Overloaded,
}

/// A message to the writer.
enum Message {
    Command(Box<Job>),
    Sweep(Option<oneshot::Sender<Result<SweepReport, WriteError>>>),
    Tick,
    Stop(oneshot::Sender<()>),
}

/// A command and who waits for it.
struct Job {
    command: Command,
    actor: Actor,
    idempotency: Option<Idempotency>,
    answer: oneshot::Sender<Answer>,
}

/// The way to the writer, for everyone else.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Does a command and waits until it is history.
    pub async fn write(&self, command: Command, actor: Actor, idempotency: Option<Idempotency>) -> Answer {
        let (answer, done) = oneshot::channel();
        let job = Box::new(Job { command, actor, idempotency, answer });
        self.queue.try_send(Message::Command(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => WriteError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => WriteError::NoWriter("the server is stopping".into()),
        })?;
        done.await.unwrap_or(Err(WriteError::OutcomeUnknown))
    }

    /// Does a command of the server itself until it has nothing left to do: mass changes are split into records.
    pub async fn write_all(&self, command: Command, part: &'static str) -> Result<(), WriteError> {
        while !self.write(command.clone(), system(part), None).await?.events.is_empty() {}
        Ok(())
    }

    /// Sweeps now.
    pub async fn sweep(&self) -> Result<SweepReport, WriteError> {
        let (answer, done) = oneshot::channel();
        self.queue.send(Message::Sweep(Some(answer))).await.map_err(|_| WriteError::OutcomeUnknown)?;
        done.await.unwrap_or(Err(WriteError::OutcomeUnknown))
    }

    /// Asks for a sweep, unless the queue is full: the next one will do.
    pub fn request_sweep(&self) {
        let _ = self.queue.try_send(Message::Sweep(None));
    }

    /// Lets the writer look at its own health.
    pub fn tick(&self) {
        let _ = self.queue.try_send(Message::Tick);
    }

    /// Resigns and ends the writer once all before it is written.
    pub async fn stop(&self) {
        let (stopped, done) = oneshot::channel();
        if self.queue.send(Message::Stop(stopped)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// The actor of what the server does by itself.
pub fn system(part: &'static str) -> Actor {
    Actor::System(Name::parse(part).unwrap_or_else(|_| unreachable!("parts of the server have valid names")))
}

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
    /// Times of the sweep.
    pub sweep: sweep::Times,
}

pub use sweep::Times as SweepTimes;

impl WriterThread {
    /// Starts the thread.
    pub fn spawn(self, vital: Vital) -> std::io::Result<(Writer, thread::JoinHandle<()>)> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("writer".into()).spawn(move || {
            let _vital = vital;
            self.run(messages);
        })?;
        Ok((Writer { queue }, thread))
    }

    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        self.watch_clocks();
        self.claim();
        while messages.blocking_recv_many(&mut batch, BATCH) > 0 {
            for message in batch.drain(..) {
                match message {
                    Message::Command(job) => self.desk().decide(*job, &self.clock, &self.leases),
                    Message::Sweep(answer) => self.sweep(answer),
                    Message::Tick => self.check(),
                    Message::Stop(stopped) => {
                        self.flush();
                        self.resign();
                        let _ = stopped.send(());
                        return;
                    }
                }
            }
            self.flush();
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what is staged.
    fn flush(&mut self) {
        let records = self.desk().take_outgoing();
        if !records.is_empty()
            && let Err(error) = self.log.append(&records)
        {
            self.doubt(&error, records.len());
        }
    }

    fn doubt(&mut self, error: &AppendError, records: usize) {
        tracing::error!(%error, "appending to the log failed; claiming anew");
        let unwritten = if matches!(error, AppendError::Unknown(_)) { 0 } else { records };
        self.desk().step_down(&error.to_string(), unwritten, self.clock.uptime());
    }

    /// At each tick: claims anew after a doubt, and doubts what does not come back.
    fn check(&mut self) {
        let uptime = self.clock.uptime();
        let overdue =
            self.desk().oldest_in_flight().is_some_and(|since| uptime.saturating_sub(since) > READ_BACK_TIMEOUT);
        if overdue {
            tracing::error!("an appended record was not read back within 5 s; claiming anew");
            self.desk().step_down("the log does not give back what was appended", 0, uptime);
        }
        if self.desk().may_claim(uptime, &CLAIM_BACKOFF) {
            self.claim();
        }
    }

    fn claim(&mut self) {
        let stamp = self.stamp();
        let admitted = self.replica.read().unwrap_or_else(PoisonError::into_inner).admission.clone();
        let claim = {
            let mut desk = self.desk();
            desk.claimed(self.clock.uptime());
            desk.leadership.claim(&admitted, self.clock.id(), self.clock.id(), stamp)
        };
        if let Some(claim) = claim
            && let Err(error) = self.log.append(&[claim])
        {
            self.doubt(&error, 1);
        }
    }

    fn resign(&mut self) {
        let stamp = self.stamp();
        let resignation = self.desk().leadership.resign(stamp);
        if let Ok(staged) = resignation
            && let Err(error) = self.log.append(&[staged.bytes])
        {
            tracing::warn!(%error, "could not resign; the next start claims all the same");
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp { command_id: self.clock.id(), decided_at: self.desk().log_time(&self.clock), actor: system("writer") }
    }
}
