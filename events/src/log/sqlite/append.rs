//! The connection that appends: one transaction a batch, and what its errors mean.

use super::open::{OpenError, for_appending};
use crate::log::{AppendError, Position};
use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, ffi};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Debug)]
pub(super) struct Appender {
    path: PathBuf,
    /// `None` after an error that left the connection in doubt; the next append opens a fresh one.
    connection: Option<Connection>,
}

impl Appender {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { path: path.to_owned(), connection: Some(for_appending(path)?) })
    }

    pub(super) fn last_position(&self) -> rusqlite::Result<Position> {
        let Some(connection) = &self.connection else { return Ok(Position::default()) };
        let last: i64 = connection.query_row("SELECT coalesce(max(position), 0) FROM records", [], |row| row.get(0))?;
        Ok(Position(last.unsigned_abs()))
    }

    /// Writes the batch, or nothing of it; returns the position of its last record.
    pub(super) fn append(&mut self, records: &[Bytes]) -> Result<Position, AppendError> {
        if records.is_empty() {
            return Ok(Position::default());
        }
        let path = &self.path;
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => for_appending(path).map_err(|error| AppendError::NotWritten(error.to_string()))?,
        };
        match write(&connection, records) {
            Ok(last) => {
                self.connection = Some(connection);
                Ok(Position(last.unsigned_abs()))
            }
            Err(Failure { source, committing }) => {
                let rolled_back = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
                // A connection that cannot even roll back is closed, and that rolls back.
                if rolled_back && (!committing || is_full(&source)) {
                    self.connection = Some(connection);
                }
                Err(meaning(&self.path, &source, committing))
            }
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn limit_growth(&mut self, pages: Option<u32>) -> Result<(), AppendError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let set = || {
            let now: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let limit = pages.map_or(u32::MAX - 1, |pages| now + pages);
            connection.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |_| Ok(()))
        };
        set().map_err(|error: rusqlite::Error| AppendError::NotWritten(error.to_string()))
    }
}

impl Drop for Appender {
    /// Readers in other processes keep SQLite from removing the write-ahead log; it is emptied at least, if none of
    /// them reads right now.
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            drop(connection.busy_timeout(Duration::ZERO));
            drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        }
    }
}

struct Failure {
    source: rusqlite::Error,
    committing: bool,
}

fn write(connection: &Connection, records: &[Bytes]) -> Result<i64, Failure> {
    let insert = || {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert = connection.prepare_cached("INSERT INTO records (bytes) VALUES (?1)")?;
        for record in records {
            insert.execute([record.as_ref()])?;
        }
        Ok(())
    };
    insert().map_err(|source| Failure { source, committing: false })?;
    connection
        .prepare_cached("COMMIT")
        .and_then(|mut commit| commit.execute([]))
        .map_err(|source| Failure { source, committing: true })?;
    Ok(connection.last_insert_rowid())
}

/// Before the commit nothing can be on the log. A commit that ran out of space could not write its last frame, without
/// which no recovery takes the others. Any other failed commit may have written all of it and not synced it: it is not
/// visible now, but could be after a crash, until the next commit overwrites it.
fn meaning(path: &Path, source: &rusqlite::Error, committing: bool) -> AppendError {
    if is_full(source) || (!committing && is_full_index(source)) {
        AppendError::DiskFull(path.display().to_string())
    } else if committing {
        AppendError::Unknown(source.to_string())
    } else {
        AppendError::NotWritten(source.to_string())
    }
}

fn is_full(source: &rusqlite::Error) -> bool {
    source.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// The shared index of the write-ahead log could not grow.
fn is_full_index(source: &rusqlite::Error) -> bool {
    source.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
