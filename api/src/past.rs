//! The registry as it was: folded from the log to some point, and kept for the next question about it.

use crate::{app::App, error::ApiError};
use mcpctl_events::{
    replay::{ReplayError, fold_to},
    replica::Replica,
    time::LogTime,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
};
use tokio::sync::Semaphore;

/// Points that are kept: whoever looks back looks more than once.
const KEPT: usize = 4;

/// What was asked about lately.
#[derive(Debug)]
pub struct Past {
    kept: Mutex<Vec<Arc<Replica>>>,
    /// One fold at a time: each takes all that the machine has.
    folding: Arc<Semaphore>,
}

impl Default for Past {
    fn default() -> Self {
        Self { kept: Mutex::default(), folding: Arc::new(Semaphore::new(1)) }
    }
}

/// The registry as of a sequence, or of a time, which is inclusive: with the change that this event belongs to, whole.
///
/// # Errors
/// 400: it is neither, or lies beyond the end of the history.
pub async fn at(app: &Arc<App>, as_of: &str) -> Result<Arc<Replica>, ApiError> {
    let last = app.replica().admission.last_sequence;
    let sequence = match (as_of.parse::<u64>(), as_of.parse::<LogTime>()) {
        (Ok(sequence), _) if sequence <= last => sequence,
        (Ok(_), _) => return Err(ApiError::invalid("asOf", format!("is above the last sequence, which is {last}"))),
        (_, Ok(time)) => app.tables.last_event_at(time).await.map_err(ApiError::internal)?,
        _ => return Err(ApiError::invalid("asOf", "is a sequence, or a time such as 2026-01-31T12:00:00Z")),
    };
    let folding = app.past.folding.clone().acquire_owned().await.map_err(ApiError::internal)?;
    let base = app.past.best(sequence);
    if let Some(base) = base.clone().filter(|base| base.admission.last_sequence == sequence) {
        return Ok(base);
    }
    let app = app.clone();
    let fold = move || {
        // Ends with the fold and not with the caller, who may be gone long before.
        let _folding = folding;
        let mut replica = base.map_or_else(Replica::default, |base| Replica::clone(&base)).on(&*app.log);
        let workers = available_parallelism().map_or(1, Into::into);
        fold_to(&*app.log, &mut replica, workers, sequence)?;
        let replica = Arc::new(replica);
        app.past.keep(replica.clone());
        Ok::<_, ReplayError>(replica)
    };
    let folded = tokio::task::spawn_blocking(fold).await.map_err(ApiError::internal)?;
    folded.map_err(|error| ApiError::unavailable("LOG_UNREADABLE", error.to_string(), 5))
}

impl Past {
    /// The latest point that is kept and not after this sequence.
    fn best(&self, sequence: u64) -> Option<Arc<Replica>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.iter().filter(|replica| replica.admission.last_sequence <= sequence);
        before.max_by_key(|replica| replica.admission.last_sequence).cloned()
    }

    fn keep(&self, replica: Arc<Replica>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(replica);
    }
}
