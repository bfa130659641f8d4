//! The end of the log as the process that appends knows it: wakes its own readers at once.

use crate::log::Position;
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Debug)]
pub(super) struct Tip {
    last: Mutex<Position>,
    moved: Condvar,
}

impl Tip {
    pub(super) fn at(last: Position) -> Self {
        Self { last: Mutex::new(last), moved: Condvar::new() }
    }

    /// Appends from several threads may report in any order.
    pub(super) fn advance(&self, to: Position) {
        let mut last = self.lock();
        *last = to.max(*last);
        drop(last);
        self.moved.notify_all();
    }

    /// Whether there is something after `after` before the time is up.
    pub(super) fn wait(&self, after: Position, timeout: Duration) -> bool {
        let waited = self.moved.wait_timeout_while(self.lock(), timeout, |last| *last <= after);
        *waited.unwrap_or_else(PoisonError::into_inner).0 > after
    }

    fn lock(&self) -> MutexGuard<'_, Position> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
