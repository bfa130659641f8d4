//! Connections that read, as many as there are reads at once.

use super::open::{OpenError, for_reading};
use crate::log::{Entry, Page, Position, ReadError};
use bytes::Bytes;
use rusqlite::{Connection, ErrorCode};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A page ends with the record that brings it to this size.
const PAGE_BYTES: usize = 4 << 20;
/// Idle connections kept for the next read.
const MOST_IDLE: usize = 8;
/// How often a reader in another process looks for something new.
const POLL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads with a connection of its own, which is closed after an error.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Reader) -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let idle = self.idle().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader(for_reading(&self.path).map_err(|error| not_opened(&error))?),
        };
        let result = read(&reader).map_err(|error| failed(&error))?;
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(reader);
        }
        Ok(result)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Reader(Connection);

impl Reader {
    /// One statement, so one snapshot: where it finds nothing more, nothing more was there.
    pub(super) fn page(&self, after: Position, max: usize) -> rusqlite::Result<Page> {
        const QUERY: &str = "SELECT position, bytes FROM records WHERE position > ?1 ORDER BY position";
        let mut statement = self.0.prepare_cached(QUERY)?;
        let mut rows = statement.query([number(after)])?;
        let mut collected = Collected::default();
        let at_tip = loop {
            let Some(row) = rows.next()? else { break true };
            if collected.places.len() >= max || collected.bytes.len() >= PAGE_BYTES {
                break false;
            }
            let position: i64 = row.get(0)?;
            collected.push(Position(position.unsigned_abs()), row.get_ref(1)?.as_bytes()?);
        };
        Ok(Page { entries: collected.into_entries(), at_tip })
    }

    pub(super) fn poll(&self, after: Position, timeout: Duration) -> rusqlite::Result<bool> {
        let begin = Instant::now();
        let version = || self.0.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        let before = version()?;
        let something =
            self.0.prepare_cached("SELECT 1 FROM records WHERE position > ?1 LIMIT 1")?.exists([number(after)])?;
        while !something && version()? == before {
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(left.min(POLL));
        }
        Ok(true)
    }
}

/// The records of a page side by side in one buffer, which their entries then share.
#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    places: Vec<(Position, Range<usize>)>,
}

impl Collected {
    fn push(&mut self, position: Position, record: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.places.push((position, begin..self.bytes.len()));
    }

    fn into_entries(self) -> Vec<Entry> {
        let bytes = Bytes::from(self.bytes);
        let entry = |(position, range)| Entry { position, bytes: bytes.slice(range) };
        self.places.into_iter().map(entry).collect()
    }
}

fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

fn failed(error: &rusqlite::Error) -> ReadError {
    let damaged = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
    );
    ReadError { reason: error.to_string(), retryable: !damaged }
}

fn not_opened(error: &OpenError) -> ReadError {
    ReadError { reason: error.to_string(), retryable: matches!(error, OpenError::Sqlite { .. } | OpenError::Io { .. }) }
}
