//! The follower: reads the log to its tip and beyond, and lets everyone know what is history.
//!
//! A thread of its own, so that decoding and folding never hold up the runtime. In this order for each page: the
//! replica takes it, the writer's desk takes note of what came back, the projector gets the changed rows, and only then
//! is anyone told that the sequence is reached.

use crate::{
    clock::Clock,
    cluster::Vigil,
    leases::Leases,
    projecting::Pending,
    relay::Relay,
    subscribers::Subscribers,
    tail::Tail,
    vital::Vital,
    writer::{Desk, Writer},
};
use mcpctl_events::{
    admission::{Rejected, Verdict},
    event::{Body as EventBody, Event, Subject, session::StreamEnd},
    leadership::{Observation, StepDown},
    log::{EventLog, Position, ReadError},
    replica::{Decoded, Replica, Stopped},
};
use mcpctl_projector::Batch;
use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Records that are folded under one lock.
const PAGE: usize = 512;
/// How long more is waited for, before anybody asks where the log ends: while much is appended, nobody has to.
const MORE: Duration = Duration::from_millis(10);
/// How long the thread sleeps before it looks whether it should end.
const WAIT: Duration = Duration::from_millis(500);
/// After how many of these it looks whether the log can still be read, though nothing is appended.
const WAITS_A_LOOK: u32 = 4;
/// How often is said that the log cannot be read, and why by then.
const TOLD_AGAIN: Duration = Duration::from_secs(30);

/// What is known of the log, for whoever waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The last sequence in the replica.
    pub sequence: u64,
    /// Why the replica goes no further.
    pub stopped: Option<String>,
    /// Why the log could not be read the last time.
    pub unreadable: Option<String>,
}

/// What the follower's thread works with.
pub struct Follower {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The fold that everyone reads.
    pub replica: Arc<RwLock<Replica>>,
    /// Shared with the writer.
    pub desk: Arc<Mutex<Desk>>,
    /// To wake the writer.
    pub writer: Writer,
    /// Leases that begin anew with a term.
    pub leases: Arc<Leases>,
    /// Clock and ids.
    pub clock: Clock,
    /// What the elected writer says of itself.
    pub advertise_url: String,
    /// Ends the streams of sessions that are no more.
    pub relay: Arc<Relay>,
    /// What the projector has to write.
    pub pending: Arc<Pending>,
    /// Tells how far the replica is.
    pub progress: watch::Sender<Progress>,
    /// Gives the newest events to those who follow.
    pub tail: Arc<Tail>,
    /// Those who subscribe to events.
    pub subscribers: Option<Arc<Subscribers>>,
    /// Where others may lead: what this process knows of them.
    pub vigil: Option<Arc<Vigil>>,
    /// Ends the thread.
    pub shutdown: CancellationToken,
    /// When it was last said that the log cannot be read; none if it can.
    pub unreadable_told: Cell<Option<Duration>>,
}

impl Follower {
    /// Starts the thread.
    pub fn spawn(self, vital: Vital) -> std::io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("follower".into()).spawn(move || {
            let _vital = vital;
            self.run();
        })
    }

    fn run(self) {
        while !self.shutdown.is_cancelled() {
            match self.step() {
                Ok(true) => self.wait(),
                Ok(false) => {}
                Err(stopped) => {
                    let reason = stopped.to_string();
                    tracing::error!(reason, "the log cannot be followed any further: reads go on, nothing is written");
                    self.desk.lock().unwrap_or_else(PoisonError::into_inner).bar(&reason);
                    self.progress.send_modify(|progress| progress.stopped = Some(reason));
                    return;
                }
            }
        }
    }

    /// Takes the next page; whether the log was read to its end.
    pub(crate) fn step(&self) -> Result<bool, Stopped> {
        let after = self.position();
        let (begun, read) = (self.clock.uptime(), self.log.read(after, PAGE));
        match read {
            Ok(page) => {
                self.readable(None);
                if !page.entries.is_empty() {
                    self.take(&page.entries.iter().map(Decoded::new).collect::<Vec<_>>())?;
                    if !page.at_tip {
                        // Whether it failed, the next read tells.
                        let _ = self.log.wait(self.position(), MORE);
                    }
                }
                if let Some(vigil) = self.vigil.as_ref().filter(|_| page.at_tip) {
                    let holder = self.replica.read().unwrap_or_else(PoisonError::into_inner).admission.holder;
                    vigil.log_ends(begun, holder);
                }
                Ok(page.at_tip)
            }
            Err(error) => {
                self.readable(Some(&error));
                if let Some(vigil) = &self.vigil {
                    vigil.log_is_lost();
                }
                thread::park_timeout(WAIT);
                Ok(false)
            }
        }
    }

    /// Up to where the replica has read.
    fn position(&self) -> Position {
        self.replica.read().unwrap_or_else(PoisonError::into_inner).position
    }

    /// Waits a while for there to be more.
    fn wait(&self) {
        let after = self.position();
        // Who may have to lead has to know where the log ends.
        let waits = if self.vigil.is_some() { 1 } else { WAITS_A_LOOK };
        for _ in 0..waits {
            match self.log.wait(after, WAIT) {
                Ok(false) if !self.shutdown.is_cancelled() => {}
                Ok(_) => return,
                Err(error) => {
                    // The read that comes next says so.
                    tracing::debug!(%error, "waiting for the log failed");
                    thread::park_timeout(WAIT);
                    return;
                }
            }
        }
    }

    /// Says so when the log can no longer be read, or can be again; now and then, and not at every try.
    fn readable(&self, error: Option<&ReadError>) {
        let Some(error) = error else {
            if self.unreadable_told.take().is_some() {
                tracing::info!("the log can be read again");
                self.progress.send_modify(|progress| progress.unreadable = None);
            }
            return;
        };
        let now = self.clock.uptime();
        if self.unreadable_told.get().is_none_or(|told| now.saturating_sub(told) >= TOLD_AGAIN) {
            self.unreadable_told.set(Some(now));
            tracing::error!(reason = error.reason, "the log cannot be read: trying on");
        }
        self.progress.send_modify(|progress| progress.unreadable = Some(error.to_string()));
    }

    fn take(&self, page: &[Decoded]) -> Result<(), Stopped> {
        let (mut to_append, mut forgotten) = (false, Vec::new());
        let (sequence, records, outcome) = {
            let mut replica = self.replica.write().unwrap_or_else(PoisonError::into_inner);
            let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut outcome, mut admitted) = (Ok(()), Vec::with_capacity(page.len()));
            for entry in page {
                match replica.apply(entry) {
                    Ok(verdict) => {
                        if verdict == Verdict::Committed {
                            admitted.push(entry);
                        }
                        to_append |= self.observe(&mut desk, entry, verdict, &replica);
                    }
                    Err(stopped) => {
                        outcome = Err(stopped);
                        break;
                    }
                }
            }
            let records: Vec<_> = admitted.iter().filter_map(|entry| entry.record.as_ref().ok()).collect();
            if let Some(batch) = Batch::collect(&mut replica.state, admitted) {
                forgotten.extend_from_slice(batch.forgotten_sessions());
                self.pending.push(batch);
            }
            (replica.admission.last_sequence, records, outcome)
        };
        for session in &forgotten {
            self.relay.forget(session);
        }
        for event in records.iter().flat_map(|record| &record.events) {
            self.streams_moved(event);
        }
        let ends = |record: &&mcpctl_events::record::Record| record.events.iter().any(|event| ends_access(&event.body));
        if records.iter().any(ends) {
            self.relay.look_again();
        }
        self.progress.send_modify(|progress| progress.sequence = sequence);
        for record in records {
            self.tail.tell(record);
            if let Some(subscribers) = &self.subscribers {
                subscribers.tell(record);
            }
        }
        if to_append {
            self.writer.tick();
        }
        outcome
    }

    /// Lets the desk see a record; true if there is something to append because of it.
    fn observe(&self, desk: &mut Desk, entry: &Decoded, verdict: Verdict, replica: &Replica) -> bool {
        match desk.observe(entry, verdict, replica, self.clock.uptime()) {
            Observation::Elected(tenure) => {
                let sessions = replica.state.sessions.iter();
                self.leases.grant(sessions.map(|(id, session)| (id, session.last_heartbeat_at)), self.clock.uptime());
                desk.open(replica, &self.advertise_url, &self.clock);
                tracing::info!(term = tenure.term, "elected as the writer of the log");
                true
            }
            Observation::MustResign(tenure) => {
                tracing::warn!(term = tenure.term, "elected by a claim that had been given up on: resigning");
                desk.resign_late(tenure, replica, &self.clock);
                true
            }
            Observation::SteppedDown(StepDown::Resigned) => {
                tracing::debug!("resigned as the writer of the log");
                false
            }
            Observation::SteppedDown(StepDown::ClaimLost) => {
                tracing::info!("another one was elected as the writer of the log");
                false
            }
            Observation::SteppedDown(why) => {
                tracing::warn!(reason = %why, "no longer the writer of the log");
                false
            }
            Observation::Admitted { .. } | Observation::Nothing => {
                if verdict == Verdict::Rejected(Rejected::UnknownTerm) {
                    tracing::error!("a record of a later term is on the log, but not its claim: was it cut?");
                }
                false
            }
        }
    }
}

impl Follower {
    /// A session's stream may have gone to another replica, or be given up for lost by the one that leads.
    fn streams_moved(&self, event: &Event) {
        let Subject::Session(session) = &event.subject else { return };
        match &event.body {
            EventBody::SessionConnected(connected) => self.relay.supersede(session, connected.epoch),
            EventBody::SessionDisconnected(ended) if ended.cause == StreamEnd::NodeLost => {
                self.relay.give_up(session, ended.epoch);
            }
            _ => {}
        }
    }
}

/// Whether somebody may do less after it: a token made anew replaces one.
fn ends_access(body: &EventBody) -> bool {
    matches!(body, EventBody::TokenRevoked(_) | EventBody::TokenIssued(_) | EventBody::Withdrawn(_))
}
