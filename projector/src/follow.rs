//! Keeping the tables with the log.

use crate::{
    Checkpoint, Progress, Tables,
    blocking::{blocking, workers},
    checkpoint::Mismatch,
    projection::Projection,
    store::StoreError,
};
use mcpctl_events::{
    log::{EventLog, Position, ReadError, holds},
    record::{Header, RecordKind},
    replay::{ReplayError, each_record, fold_to},
    replica::Replica,
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events in a batch while there is much to do.
const BATCH: usize = 5000;
/// Records that are looked through at once.
const PAGE: usize = 1000;
/// Longest wait for a new record, and so for a stop to be noticed.
const WAIT: Duration = Duration::from_millis(250);
/// Pause after an error that may pass.
const PAUSE: Duration = Duration::from_secs(1);
/// Another projector that has not moved the checkpoint for so long, though it could have, is gone.
const STALL: Duration = Duration::from_secs(5);

/// Why the tables no longer follow the log.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log cannot be read, or holds what may not be folded.
    #[error(transparent)]
    Fold(#[from] ReplayError),
    /// The log is not the one that the tables were made from.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The tables cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever wanted it no longer does.
    #[error("it was told to stop")]
    Cancelled,
}

impl FollowError {
    /// Whether trying again later may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Fold(ReplayError::Read(error)) => error.retryable,
            Self::Store(error) => error.is_retryable(),
            Self::Fold(ReplayError::Stopped(_)) | Self::Mismatch(_) | Self::Cancelled => false,
        }
    }

    fn is_lost_checkpoint(&self) -> bool {
        matches!(self, Self::Store(StoreError::CheckpointMoved { .. }))
    }
}

impl From<ReadError> for FollowError {
    fn from(error: ReadError) -> Self {
        Self::Fold(error.into())
    }
}

/// A log that is shared with the threads that read it.
pub type SharedLog = Arc<dyn EventLog>;

/// Brings a replica to the tables' checkpoint, checks that the log is theirs, and goes on from there. `replica` may be
/// a snapshot; one that is ahead of the tables is of no use here, and the log is folded from its start.
///
/// A history that cannot be folded to its end is no error: the replica of the projection stands where it ends, and says
/// why ([`Replica::stopped`]).
pub async fn start(log: &SharedLog, tables: &Tables, replica: Replica) -> Result<Projection, FollowError> {
    let checkpoint = tables.checkpoint().await?;
    let replica = at(log, &checkpoint, replica).await?;
    if replica.stopped().is_none() {
        checkpoint.check(&replica.admission)?;
        if !in_place(log, &checkpoint).await? {
            return Err(Mismatch::OtherHistory { tables: checkpoint.sequence }.into());
        }
    }
    Ok(Projection::new(replica))
}

/// As [`start`], and on to where the log ends, without writing anything: for tables that somebody else writes.
pub async fn read(log: &SharedLog, tables: &Tables, replica: Replica) -> Result<Replica, FollowError> {
    let mut replica = start(log, tables, replica).await?.into_replica();
    let log = log.clone();
    blocking(move || match fold_to(&*log, &mut replica, workers(), u64::MAX) {
        Ok(()) | Err(ReplayError::Stopped(_)) => Ok(replica),
        Err(ReplayError::Read(error)) => Err(error.into()),
    })
    .await
}

/// The same history may be at other places of another file, and the index of events says where they are.
async fn in_place(log: &SharedLog, checkpoint: &Checkpoint) -> Result<bool, ReadError> {
    let (log, position, head) = (log.clone(), checkpoint.position, checkpoint.head);
    if checkpoint.sequence == 0 {
        return Ok(true);
    }
    blocking(move || holds(&*log, position, head)).await
}

async fn at(log: &SharedLog, checkpoint: &Checkpoint, replica: Replica) -> Result<Replica, ReadError> {
    let ahead = replica.admission.last_sequence > checkpoint.sequence;
    let mut replica = if ahead { Replica::default() } else { replica }.on(&**log);
    let (log, sequence) = (log.clone(), checkpoint.sequence);
    blocking(move || match fold_to(&*log, &mut replica, workers(), sequence) {
        Ok(()) | Err(ReplayError::Stopped(_)) => Ok(replica),
        Err(ReplayError::Read(error)) => Err(error),
    })
    .await
}

/// Brings the tables to the tip of the log, or to where the fold stops. The projection that comes back has nothing
/// pending.
pub async fn project(log: &SharedLog, tables: &Tables, projection: Projection) -> Result<Projection, FollowError> {
    let (projection, result) = advance(log, tables, projection, &CancellationToken::new()).await;
    result.map(|()| projection)
}

/// As [`project`], until `stop`; the projection comes back whatever happens, with what it could not write.
pub async fn advance(
    log: &SharedLog,
    tables: &Tables,
    mut projection: Projection,
    stop: &CancellationToken,
) -> (Projection, Result<(), FollowError>) {
    let (log, tables, progress) = (log.clone(), tables.clone(), Progress::until(stop.clone()));
    blocking(move || {
        let result = project_blocking(&*log, &tables, &mut projection, &progress);
        (projection, result)
    })
    .await
}

pub(crate) fn project_blocking(
    log: &dyn EventLog,
    tables: &Tables,
    projection: &mut Projection,
    progress: &Progress,
) -> Result<(), FollowError> {
    write(tables, projection)?;
    let after = projection.replica().position;
    each_record(log, after, workers(), |entry| {
        // What comes before a record that stops the fold is good.
        if projection.take(entry).is_err() {
            return Ok(ControlFlow::Break(()));
        }
        if projection.pending() >= BATCH {
            write(tables, projection)?;
            progress.reach(projection.replica().admission.last_sequence);
            if progress.is_stopped() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok::<_, FollowError>(ControlFlow::Continue(()))
    })?;
    Ok(write(tables, projection)?)
}

/// The error of a projection that went no further.
pub(crate) fn to_the_end(projection: &Projection) -> Result<(), ReplayError> {
    projection.replica().stopped().map_or(Ok(()), |stopped| Err(stopped.clone().into()))
}

/// Writes what is pending, and before it what could not be written the last time.
pub(crate) fn write(tables: &Tables, projection: &mut Projection) -> Result<(), StoreError> {
    while let Some(batch) = projection.batch() {
        if let Err(error) = tables.apply_blocking(&batch) {
            projection.put_back(batch);
            return Err(error);
        }
    }
    Ok(())
}

/// Follows the log until `stop`, as a process of its own does. While another projector moves the checkpoint, this one
/// waits; errors that may pass are tried again.
///
/// # Errors
/// What no retry can help: an altered or newer history, tables of another log.
pub async fn follow(log: SharedLog, tables: Tables, stop: CancellationToken) -> Result<(), FollowError> {
    let mut kept = None;
    while !stop.is_cancelled() {
        match tail(&log, &tables, &mut kept, &stop).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_lost_checkpoint() => {
                tracing::warn!("another projector writes these tables: waiting until it stops");
                kept = None;
                wait_for_stall(&log, &tables, &stop).await;
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the projector pauses");
                pause(PAUSE, &stop).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Goes on with the projection that an earlier error left, so that a full disk does not cost a fold of the whole log
/// each time.
async fn tail(
    log: &SharedLog,
    tables: &Tables,
    kept: &mut Option<Projection>,
    stop: &CancellationToken,
) -> Result<(), FollowError> {
    let mut projection = match kept.take() {
        Some(projection) => projection,
        None => start(log, tables, Replica::default()).await?,
    };
    tracing::info!(sequence = projection.replica().admission.last_sequence, "the projector follows the log");
    while !stop.is_cancelled() {
        let (now, result) = advance(log, tables, projection, stop).await;
        projection = now;
        let waited = match result.and_then(|()| Ok(to_the_end(&projection)?)) {
            Ok(()) => wait(log, projection.replica().position).await.map_err(FollowError::from),
            failed => failed,
        };
        if let Err(error) = waited {
            *kept = Some(projection);
            return Err(error);
        }
    }
    Ok(())
}

async fn wait(log: &SharedLog, after: Position) -> Result<(), ReadError> {
    let log = log.clone();
    blocking(move || log.wait(after, WAIT).map(drop)).await
}

/// Where a commit is on the log that the tables do not hold, or the last record if there is none after `after`: barriers
/// and claims are nothing to write. One that was rejected may be taken for it; then a projector looks in vain.
pub async fn find_events(log: &SharedLog, after: Position, sequence: u64) -> Result<(bool, Position), ReadError> {
    let (log, mut after) = (log.clone(), after);
    let is_more = move |bytes: &[u8]| {
        let header = Header::decode(bytes);
        header.is_some_and(|header| header.kind == RecordKind::Commit && header.first_sequence > sequence)
    };
    blocking(move || {
        loop {
            let page = log.read(after, PAGE)?;
            if page.entries.iter().any(|entry| is_more(&entry.bytes)) {
                return Ok((true, after));
            }
            let Some(last) = page.entries.last() else { return Ok((false, after)) };
            after = last.position;
        }
    })
    .await
}

/// Returns when the checkpoint has stood still for [`STALL`] although the log went on.
async fn wait_for_stall(log: &SharedLog, tables: &Tables, stop: &CancellationToken) {
    let (mut last, mut since, mut after) = (None, Instant::now(), Position::default());
    while !stop.is_cancelled() && since.elapsed() < STALL {
        pause(WAIT, stop).await;
        let Ok(checkpoint) = tables.checkpoint().await else { continue };
        after = after.max(checkpoint.position);
        let mut is_more = false;
        if let Ok(found) = find_events(log, after, checkpoint.sequence).await {
            (is_more, after) = found;
        }
        if !is_more || last != Some(checkpoint.sequence) {
            (last, since) = (Some(checkpoint.sequence), Instant::now());
        }
    }
}

async fn pause(duration: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = stop.cancelled() => {}
    }
}
