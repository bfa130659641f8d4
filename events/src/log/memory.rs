//! The log in memory: for tests, benches and the simulation. Durable for as long as the value lives.

use super::{AppendError, Entry, EventLog, Page, Position, ReadError};
use bytes::Bytes;
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A log that lives in this process.
#[derive(Debug, Default)]
pub struct MemoryLog {
    records: Mutex<Vec<Bytes>>,
    appended: Condvar,
}

impl MemoryLog {
    /// A log that holds these records.
    pub fn from_records(records: Vec<Bytes>) -> Self {
        Self { records: Mutex::new(records), appended: Condvar::new() }
    }

    /// Everything on the log.
    pub fn records(&self) -> Vec<Bytes> {
        self.lock().clone()
    }

    /// A push cannot leave the records half-written, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventLog for MemoryLog {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        self.lock().extend_from_slice(records);
        self.appended.notify_all();
        Ok(())
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        let records = self.lock();
        let rest = records.get(index(after)..).unwrap_or_default();
        let page = &rest[..max.min(rest.len())];
        let positions = after.0.saturating_add(1)..;
        let entries = positions.zip(page).map(|(at, bytes)| Entry { position: Position(at), bytes: bytes.clone() });
        Ok(Page { at_tip: page.len() == rest.len(), entries: entries.collect() })
    }

    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        let nothing_new = |records: &mut Vec<Bytes>| records.len() <= index(after);
        let waited = self.appended.wait_timeout_while(self.lock(), timeout, nothing_new);
        Ok(!waited.unwrap_or_else(PoisonError::into_inner).1.timed_out())
    }
}

/// Positions count from 1, so a position is the index of the record after it.
fn index(after: Position) -> usize {
    usize::try_from(after.0).unwrap_or(usize::MAX)
}
