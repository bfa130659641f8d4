//! Filling new tables from the log, beside the live ones.

use crate::{
    Progress,
    blocking::{blocking, workers},
    follow::{FollowError, SharedLog, project_blocking, to_the_end, write},
    projection::Projection,
    store::{Database, Rebuilding},
};
use mcpctl_events::{
    log::EventLog,
    replay::{ReplayError, each_record},
    replica::Replica,
};
use std::ops::ControlFlow;

/// What a rebuild made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// The new generation.
    pub generation: u64,
    /// The sequence that it was at when it took over.
    pub sequence: u64,
}

/// Fills a new generation of the tables of a database from the first record of the log, and makes it the live one.
///
/// Whoever reads or writes the old generation goes on undisturbed until the switch; an open
/// [`Tables`](crate::Tables) in any process turns to the new generation by itself, at its next read or write,
/// or when [`refresh`](crate::Tables::refresh) is called. Nothing changes if this fails.
pub async fn rebuild(
    log: &SharedLog,
    database: impl Into<Database>,
    progress: &Progress,
) -> Result<Rebuilt, FollowError> {
    let (log, database, progress) = (log.clone(), database.into(), progress.clone());
    blocking(move || fill(&*log, &database, &progress)).await
}

fn fill(log: &dyn EventLog, database: &Database, progress: &Progress) -> Result<Rebuilt, FollowError> {
    let rebuilding = Rebuilding::begin(database)?;
    let mut projection = Projection::new(Replica::default().on(log));
    project_blocking(log, rebuilding.tables(), &mut projection, progress)?;
    if progress.is_stopped() {
        return Err(FollowError::Cancelled);
    }
    to_the_end(&projection)?;
    // From here on the live tables stand still: what they hold beyond the new ones is the last bit.
    let live = rebuilding.stop_live()?;
    if let Some(live) = &live {
        fold_up_to(log, &mut projection, live.checkpoint.sequence)?;
        let admission = &projection.replica().admission;
        // What only the live tables still know of this log would be gone with them, and nobody would be told. Of which
        // log an empty one is, it does not say.
        let may_be_theirs = admission.log_id.is_none() || admission.log_id == live.checkpoint.log_id;
        if admission.last_sequence < live.checkpoint.sequence && may_be_theirs {
            live.checkpoint.check(admission)?;
        }
        write(rebuilding.tables(), &mut projection)?;
    }
    let generation = rebuilding.switch(live)?;
    let sequence = projection.replica().admission.last_sequence;
    tracing::info!(generation, sequence, "the read tables were rebuilt");
    Ok(Rebuilt { generation, sequence })
}

/// Folds to `sequence` and no further, so that the next batch of a live projector fits.
fn fold_up_to(log: &dyn EventLog, projection: &mut Projection, sequence: u64) -> Result<(), ReplayError> {
    if projection.replica().admission.last_sequence < sequence {
        let after = projection.replica().position;
        each_record(log, after, workers(), |entry| {
            projection.take(entry)?;
            let there = projection.replica().admission.last_sequence >= sequence;
            Ok::<_, ReplayError>(if there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(())
}
