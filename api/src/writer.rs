//! The single writer: the only place that appends.
//!
//! Commands, heartbeats and sweeps come through one bounded queue. A thread of its own decides each against the state
//! staged so far and appends what was decided in one batch; the next batch forms while the last one syncs. Nobody is
//! answered before the record was read back admitted by the [follower](crate::follower).

mod breaker;
mod desk;
mod in_flight;
mod sweep;
#[cfg(test)]
mod tests;
mod thread;

pub use desk::{Answer, Desk, Done};
pub use sweep::{SweepReport, Sweeper};
pub use thread::WriterThread;

use crate::{
    clock::Clock,
    cluster::{Asked, Cluster},
};
use mcpctl_events::{
    command::Command,
    leadership::Tenure,
    name::{Name, SessionId},
    record::{Actor, Idempotency},
    rejection::Rejection,
};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Messages that may wait for the writer.
const QUEUE: usize = 4096;

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
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
    Sweep(Option<SweepAnswer>),
    Tick,
    Stop(oneshot::Sender<()>),
}

impl Message {
    /// Tells who waits that it is not done, and why.
    fn refuse(self, why: &WriteError) {
        match self {
            Self::Command(job) => drop(job.answer.send(Err(why.clone()))),
            Self::Sweep(Some(answer)) => drop(answer.send(Err(why.clone()))),
            Self::Stop(stopped) => drop(stopped.send(())),
            Self::Sweep(None) | Self::Tick => {}
        }
    }
}

type SweepAnswer = oneshot::Sender<Result<SweepReport, WriteError>>;

/// A command and who waits for it.
struct Job {
    command: Command,
    actor: Actor,
    idempotency: Option<Idempotency>,
    answer: oneshot::Sender<Answer>,
}

/// The way to the writer, for everyone else.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Message>,
    desk: Arc<Mutex<Desk>>,
    clock: Clock,
    cluster: Option<Arc<Cluster>>,
}

impl Writer {
    /// Does a command, or has it done by the replica that leads, and waits until it is history.
    pub async fn write(&self, command: Command, actor: Actor, idempotency: Option<Idempotency>) -> Answer {
        match self.leader_elsewhere() {
            Some((cluster, leader)) => cluster.write(&leader, &Asked { command, actor, idempotency }).await,
            None => self.write_here(command, actor, idempotency).await,
        }
    }

    /// The replica that leads, if this one does not.
    fn leader_elsewhere(&self) -> Option<(&Cluster, String)> {
        let cluster = self.cluster.as_deref()?;
        let leader = cluster.leader()?;
        self.term().is_none().then_some((cluster, leader))
    }

    /// The term that this process leads, if it does.
    pub fn term(&self) -> Option<u64> {
        self.tenure().map(|tenure| tenure.term)
    }

    /// The same, with its writer.
    pub fn tenure(&self) -> Option<Tenure> {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.leadership.tenure().filter(|_| desk.leadership.is_leading())
    }

    /// A sign of life that this process began to write at `uptime` is on the heartbeat stream.
    pub fn signed(&self, uptime: Duration) {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).signed(uptime);
    }

    /// Does a command, if this process leads, and waits until it is history.
    pub async fn write_here(&self, command: Command, actor: Actor, idempotency: Option<Idempotency>) -> Answer {
        let (answer, done) = oneshot::channel();
        let job = Box::new(Job { command, actor, idempotency, answer });
        self.queue.try_send(Message::Command(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => WriteError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        done.await.unwrap_or(Err(WriteError::OutcomeUnknown))
    }

    /// Does a command of the server itself until it has nothing left to do: mass changes are split into records.
    pub async fn write_all(&self, command: Command, part: &'static str) -> Result<(), WriteError> {
        while !self.write(command.clone(), system(part), None).await?.events.is_empty() {}
        Ok(())
    }

    /// The same, if this process leads, and not by way of another one.
    pub async fn write_all_here(&self, command: Command, part: &'static str) -> Result<(), WriteError> {
        while !self.write_here(command.clone(), system(part), None).await?.events.is_empty() {}
        Ok(())
    }

    /// Renews the lease of a session of this user by `renew`, and says how many Llms and agents it has, where that is all
    /// there is to a sign of life: it has nothing to bring back, and nothing is in flight that may change that. Then it
    /// needs no turn of the writer: what is decided later sees the new lease.
    pub fn hear(&self, session: &SessionId, user: Uuid, renew: impl FnOnce()) -> Option<(usize, usize)> {
        // Who leads is told whom this process heard.
        if let Some((cluster, _)) = self.leader_elsewhere() {
            let rows = cluster.live_rows(session, user)?;
            renew();
            return Some(rows);
        }
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = desk.settled(self.clock.uptime())?.live_rows(session, user)?;
        renew();
        Some(rows)
    }

    /// Sweeps now, or has the replica that leads do it.
    pub async fn sweep(&self) -> Result<SweepReport, WriteError> {
        match self.leader_elsewhere() {
            Some((cluster, leader)) => cluster.sweep(&leader).await,
            None => self.sweep_here().await,
        }
    }

    /// Sweeps now, if this process leads.
    pub async fn sweep_here(&self) -> Result<SweepReport, WriteError> {
        let (answer, done) = oneshot::channel();
        self.queue.send(Message::Sweep(Some(answer))).await.map_err(|_| stopping())?;
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

fn stopping() -> WriteError {
    WriteError::NoWriter("the server is stopping".to_owned())
}

/// The actor of what the server does by itself.
pub fn system(part: &'static str) -> Actor {
    Actor::System(Name::parse(part).unwrap_or_else(|_| unreachable!("parts of the server have valid names")))
}
