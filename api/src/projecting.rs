//! The inline projector: writes what the follower read into the read tables, behind everyone's back.
//!
//! A write waits for it a little, but never fails because of it; its lag is a metric. What it cannot keep up with, or
//! cannot write at all, it leaves, and reads from the log later. Of tables that several servers share, the one that leads
//! is the projector; the others keep what it may not have written, to go on when they lead.

use crate::{snapshots::Snapshots, vital::Vital, writer::Writer};
use mcpctl_events::replica::Replica;
use mcpctl_projector::{
    Batch, Tables,
    follow::{self, FollowError, SharedLog},
    projection::Projection,
    store::StoreError,
};
use std::{
    collections::VecDeque,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Pause after a batch that could not be written, and between two looks whether tables were made anew.
const RETRY: Duration = Duration::from_millis(500);
/// How often is looked whether the tables are to be written here.
const LOOK: Duration = Duration::from_millis(100);
/// Most batches that wait in memory, of 512 records at most each.
const MOST: usize = 1024;

/// Batches that wait for the projector.
#[derive(Debug)]
pub struct Pending {
    /// `None` while they are dropped: the log has them.
    batches: Mutex<Option<VecDeque<Batch>>>,
    added: Notify,
}

impl Default for Pending {
    fn default() -> Self {
        Self { batches: Mutex::new(Some(VecDeque::new())), added: Notify::new() }
    }
}

impl Pending {
    /// For tables that do not hold what was admitted before: they catch up first.
    pub fn behind() -> Self {
        Self { batches: Mutex::new(None), added: Notify::new() }
    }

    /// Adds what was just admitted.
    pub fn push(&self, batch: Batch) {
        let mut batches = self.batches();
        match &mut *batches {
            Some(waiting) if waiting.len() < MOST => waiting.push_back(batch),
            _ => *batches = None,
        }
        drop(batches);
        self.added.notify_one();
    }

    fn batches(&self) -> MutexGuard<'_, Option<VecDeque<Batch>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to keep what comes, if it was dropped.
    fn keep_from_now_on(&self) {
        self.batches().get_or_insert_default();
    }

    /// Drops what waits and what comes, or begins to keep it again.
    fn keep(&self, keep: bool) {
        *self.batches() = keep.then(VecDeque::new);
    }

    /// The next batch; `None` if some were dropped.
    async fn next(&self) -> Option<Batch> {
        loop {
            match &mut *self.batches() {
                None => return None,
                Some(waiting) => {
                    if let Some(batch) = waiting.pop_front() {
                        return Some(batch);
                    }
                }
            }
            self.added.notified().await;
        }
    }

    /// Drops what the tables hold.
    fn forget(&self, sequence: u64) {
        if let Some(waiting) = &mut *self.batches() {
            while waiting.front().is_some_and(|batch| batch.sequence() <= sequence) {
                waiting.pop_front();
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.batches().as_ref().is_none_or(VecDeque::is_empty)
    }
}

/// Says once that the tables can't be written, and once that they can be again.
#[derive(Default)]
struct Failing(bool);

impl Failing {
    fn tell(&mut self, error: &dyn Error) {
        if !std::mem::replace(&mut self.0, true) {
            tracing::error!(%error, "the read tables cannot be written: lists stay as they are; trying on");
        }
    }

    fn is_over(&self) {
        if self.0 {
            tracing::info!("the read tables can be written again");
        }
    }
}

/// What became of a batch.
enum Outcome {
    Written,
    /// The tables lack what comes before it.
    Behind,
    /// It can never be written to the tables of this generation.
    Refused(u64),
    Stopping,
}

/// Who writes the tables.
pub enum Role {
    /// This process, for they are its own.
    Always,
    /// The process that leads.
    WhileLeading(Writer),
    /// Another program.
    Never,
}

impl Role {
    fn writes(&self) -> bool {
        match self {
            Self::Always => true,
            Self::WhileLeading(writer) => writer.term().is_some(),
            Self::Never => false,
        }
    }
}

/// The inline projector.
pub struct Projector {
    /// Whether it writes, or waits for others to.
    pub role: Role,
    /// Where a fold may begin.
    pub snapshots: Snapshots,
    /// The log, for what was not kept in memory.
    pub log: SharedLog,
    /// The read tables.
    pub tables: Tables,
    /// What the follower adds.
    pub pending: Arc<Pending>,
    /// Tells how far the tables are.
    pub projected: watch::Sender<u64>,
    /// Ends it, once nothing is pending.
    pub shutdown: CancellationToken,
}

impl Projector {
    /// Writes batches until shutdown, and then what is still pending.
    pub async fn run(self, _vital: Vital) {
        loop {
            if !self.role.writes() && !self.watch().await {
                return;
            }
            let batch = tokio::select! {
                batch = self.pending.next() => batch,
                () = self.shutdown.cancelled(), if self.pending.is_empty() => return,
                // Somebody else may write them by now.
                () = tokio::time::sleep(LOOK), if !matches!(self.role, Role::Always) => continue,
            };
            let goes_on = match batch {
                Some(batch) => match self.write(&batch).await {
                    Outcome::Written => {
                        self.projected.send_replace(batch.sequence());
                        true
                    }
                    Outcome::Behind => self.catch_up().await,
                    Outcome::Refused(by) => self.rebuilt(by).await && self.catch_up().await,
                    Outcome::Stopping => false,
                },
                None => self.catch_up().await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Takes note of what others write, until this process has to; false if the server stops first.
    async fn watch(&self) -> bool {
        let mut moves = self.tables.moves();
        // What was dropped before is in the tables by the time that this process leads, or is read from the log then.
        self.pending.keep_from_now_on();
        while !self.role.writes() {
            match self.tables.checkpoint().await {
                Ok(checkpoint) => {
                    self.pending.forget(checkpoint.sequence);
                    self.projected.send_if_modified(|projected| {
                        std::mem::replace(projected, checkpoint.sequence) != checkpoint.sequence
                    });
                }
                Err(error) => tracing::debug!(%error, "the read tables cannot be looked at"),
            }
            tokio::select! {
                () = moves.next(LOOK) => {}
                () = self.shutdown.cancelled() => return false,
            }
        }
        true
    }

    /// Writes a batch, as often as it takes. Where another projector was faster, what it has not written yet goes on
    /// top: the process that leads does not wait for others.
    async fn write(&self, batch: &Batch) -> Outcome {
        let mut failing = Failing::default();
        loop {
            let generation = self.tables.generation();
            let Err(error) = self.tables.apply_rest(batch).await else { break };
            // Tables that were made anew beside old ones that did not know may lack what went to those.
            if let StoreError::CheckpointMoved { expected } = error
                && self.tables.checkpoint().await.is_ok_and(|found| found.sequence < expected)
            {
                return Outcome::Behind;
            }
            // A checkpoint that moved is one that another projector works on.
            if !error.is_retryable() && !matches!(error, StoreError::CheckpointMoved { .. }) {
                tracing::error!(%error, sequence = batch.sequence(), "the read tables go no further; lists stay as they are");
                return Outcome::Refused(generation);
            }
            failing.tell(&error);
            if !self.pause().await {
                return Outcome::Stopping;
            }
        }
        failing.is_over();
        Outcome::Written
    }

    /// Waits until the tables of this generation were made anew; false if the server stops first.
    async fn rebuilt(&self, refused: u64) -> bool {
        self.pending.keep(false);
        while self.tables.refresh().await.unwrap_or(refused) == refused {
            if !self.pause().await {
                return false;
            }
        }
        true
    }

    /// Brings the tables to where the log is now, and keeps what comes from now on; false if the server stops first.
    async fn catch_up(&self) -> bool {
        tracing::warn!("the read tables fell behind: catching up from the log");
        self.pending.keep(true);
        let (mut kept, mut failing) = (None, Failing::default());
        while let Err(error) = self.project(&mut kept).await {
            failing.tell(&error);
            if !self.pause().await {
                return false;
            }
        }
        failing.is_over();
        true
    }

    /// Goes on with the projection that an earlier error left: a full disk does not cost a fold of the whole log at
    /// every try.
    async fn project(&self, kept: &mut Option<Projection>) -> Result<(), FollowError> {
        let projection = match kept.take() {
            Some(projection) => projection,
            None => follow::start(&self.log, &self.tables, self.snapshot().await?).await?,
        };
        let (projection, written) =
            follow::advance(&self.log, &self.tables, projection, &CancellationToken::new()).await;
        if let Err(error) = written {
            *kept = error.is_retryable().then_some(projection);
            return Err(error);
        }
        self.projected.send_replace(projection.replica().admission.last_sequence);
        Ok(())
    }

    /// The fold as it was somewhere before the tables' checkpoint.
    async fn snapshot(&self) -> Result<Replica, StoreError> {
        let sequence = self.tables.checkpoint().await?.sequence;
        let (log, snapshots) = (self.log.clone(), self.snapshots.clone());
        let load = move || snapshots.load(&*log, sequence).unwrap_or_default();
        Ok(tokio::task::spawn_blocking(load).await.unwrap_or_default())
    }

    async fn pause(&self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(RETRY) => true,
            () = self.shutdown.cancelled() => false,
        }
    }
}
