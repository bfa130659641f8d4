//! The inline projector: writes what the follower read into the read tables, behind everyone's back.
//!
//! A write waits for it a little, but never fails because of it; its lag is a metric.

use crate::vital::Vital;
use mcpctl_projector::{Batch, Tables, store::StoreError};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Pause after a batch that could not be written.
const RETRY: Duration = Duration::from_millis(500);

/// Batches that wait for the projector.
#[derive(Debug)]
pub struct Pending {
    /// `None` once nobody takes them any more.
    batches: Mutex<Option<VecDeque<Batch>>>,
    added: Notify,
}

impl Default for Pending {
    fn default() -> Self {
        Self { batches: Mutex::new(Some(VecDeque::new())), added: Notify::new() }
    }
}

impl Pending {
    /// Adds what was just admitted.
    pub fn push(&self, batch: Batch) {
        if let Some(batches) = &mut *self.batches() {
            batches.push_back(batch);
            self.added.notify_one();
        }
    }

    fn batches(&self) -> MutexGuard<'_, Option<VecDeque<Batch>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what waits, and what comes later.
    fn close(&self) {
        *self.batches() = None;
    }

    async fn next(&self) -> Batch {
        loop {
            let batch = self.batches().as_mut().and_then(VecDeque::pop_front);
            if let Some(batch) = batch {
                return batch;
            }
            self.added.notified().await;
        }
    }

    fn is_empty(&self) -> bool {
        self.batches().as_ref().is_none_or(VecDeque::is_empty)
    }
}

/// Writes batches until shutdown, and then what is still pending; or until there is one that can never be written: the
/// server goes on without, and whoever would wait for the tables is told at once how far they are.
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
            pending.close();
            return;
        }
        projected.send_replace(batch.sequence());
    }
}

/// Writes a batch, as often as it takes; false if the server stops first, or if it never can. Where another projector
/// was faster, what it has not written yet goes on top: the process that leads does not wait for others.
async fn write(tables: &Tables, batch: &Batch, shutdown: &CancellationToken) -> bool {
    while let Err(error) = tables.apply_rest(batch).await {
        let sequence = batch.sequence();
        // A checkpoint that moved is one that another projector works on.
        if !error.is_retryable() && !matches!(error, StoreError::CheckpointMoved { .. }) {
            tracing::error!(%error, sequence, "the read tables go no further; lists stay as they are");
            return false;
        }
        tracing::error!(%error, sequence, "the read tables could not be written; trying again");
        if shutdown.is_cancelled() {
            return false;
        }
        tokio::time::sleep(RETRY).await;
    }
    true
}
