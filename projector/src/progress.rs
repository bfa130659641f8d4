//! How far a walk along the whole log is, for whoever watches it, and the wish that it end.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio_util::sync::CancellationToken;

/// Shared by the one who walks and those who watch.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    reached: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Progress {
    /// Of a walk that ends early when `stop` is cancelled.
    pub fn until(stop: CancellationToken) -> Self {
        Self { stop, ..Self::default() }
    }

    /// The last sequence that was dealt with.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    pub(crate) fn reach(&self, sequence: u64) {
        self.reached.store(sequence, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}
