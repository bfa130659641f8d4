//! The inline projector: writes what the follower read into the read tables, behind everyone's back.
//!
//! A write waits for it a little, but never fails because of it; its lag is a metric.

use crate::vital::Vital;
use mcpctl_projector::{Batch, Tables};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Pause after a batch that could not be written.
const RETRY: Duration = Duration::from_millis(500);

/// Batches that wait for the projector.
#[derive(Debug, Default)]
pub struct Pending {
    batches: Mutex<VecDeque<Batch>>,
    added: Notify,
}

impl Pending {
    /// Adds what was just admitted.
    pub fn push(&self, batch: Batch) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push_back(batch);
        self.added.notify_one();
    }

    async fn next(&self) -> Batch {
        loop {
            if let Some(batch) = self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
                return batch;
            }
            self.added.notified().await;
        }
    }

    fn is_empty(&self) -> bool {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Writes batches until shutdown, and then what is still pending.
pub async fn run(
    tables: Tables,
    pending: Arc<Pending>,
    projected: watch::Sender<u64>,
    shutdown: CancellationToken,
    _vital: Vital,
) {
    loop {
        let batch = tokio::select! {
            batch = pending.next() => batch,
            () = shutdown.cancelled(), if pending.is_empty() => return,
        };
        if !write(&tables, &batch, &shutdown).await {
            return;
        }
        projected.send_replace(batch.sequence());
    }
}

/// Writes a batch, as often as it takes; false if the server stops first. Where another projector was faster, what it
/// has not written yet goes on top: the process that leads does not wait for others.
async fn write(tables: &Tables, batch: &Batch, shutdown: &CancellationToken) -> bool {
    while let Err(error) = tables.apply_rest(batch).await {
        tracing::error!(%error, sequence = batch.sequence(), "the read tables could not be written; trying again");
        if shutdown.is_cancelled() {
            return false;
        }
        tokio::time::sleep(RETRY).await;
    }
    true
}
