//! The append-only log, as the rest of the registry sees it.
//!
//! The trait is blocking on purpose: the core knows no runtime, and both users of a log (the writer, which appends, and
//! the follower, which reads) have a thread of their own.

#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(all(feature = "kafka", feature = "sqlite"))]
pub mod target;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;

use crate::hash::Hash;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A place in a log, of the adapter's own making. Only its order has a meaning; it never leaves the process or its
/// caches. The default is before the first record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position(pub u64);

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place; larger than that of every record before it.
    pub position: Position,
    /// Its exact bytes.
    pub bytes: Bytes,
}

/// Some of the records after a position, in log order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub entries: Vec<Entry>,
    /// True only if at some moment during this read nothing was on the log after the last of `entries` (after the
    /// position asked for, if there are none). An adapter may leave that to the next page, which is empty then.
    pub at_tip: bool,
}

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing of the batch is on the log, nor will it ever be.
    #[error("nothing was written: {0}")]
    NotWritten(String),
    /// The disk is full: nothing of the batch is on the log, and reads go on.
    #[error("nothing was written: the disk that holds {0} is full")]
    DiskFull(String),
    /// Some, all or none of the batch may be on the log, now or later.
    #[error("it is unknown whether it was written: {0}")]
    Unknown(String),
}

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be read: {reason}")]
pub struct ReadError {
    /// What happened.
    pub reason: String,
    /// Whether the same call may work later.
    pub retryable: bool,
}

/// Whether the record at a position has this hash: what was derived from the log there is still of this log.
pub fn holds(log: &dyn EventLog, position: Position, hash: Hash) -> Result<bool, ReadError> {
    let page = log.read(Position(position.0.saturating_sub(1)), 1)?;
    let found = page.entries.first().filter(|entry| entry.position == position);
    Ok(found.is_some_and(|entry| Hash::of(&entry.bytes) == hash))
}

/// An append-only log of records.
///
/// # Contract
/// - `append` writes the whole batch in the order given, with nothing in between on a log that has one appender. If it
///   returns `Ok`, every record of it is durable: it survives a crash of the process and of the machine.
/// - Records are never changed, reordered or removed, and their bytes come back exactly.
/// - `read` returns records in log order, each once, without leaving out any; what was read at a position once is read
///   there always. `at_tip` is true only when true (see [`Page`]).
/// - `wait` returns true when there may be something after a position, or false after the timeout; returning early, with
///   true, is allowed, returning late is not.
/// - Every call may come from any thread.
///
/// An adapter does not judge records: what it stores may be torn, doubled or late, and admission decides.
pub trait EventLog: Send + Sync {
    /// Appends a batch. See the contract.
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError>;

    /// Reads at most `max` records after a position.
    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError>;

    /// Blocks until there may be a record after `after`, for `timeout` at most; whether there may be one.
    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError>;

    /// Whether one process at a time appends, and none but those of this log's format: then no writer leaves a record that
    /// can't be read or is out of sequence, and one that is there means that the log was damaged.
    fn has_one_appender(&self) -> bool {
        false
    }
}
