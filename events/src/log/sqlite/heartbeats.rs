//! The heartbeat stream in a SQLite file of its own, beside the log's.
//!
//! `synchronous=NORMAL`: a crash of the machine may lose the last seconds, and a commit waits for no disk.

use super::make_private_file;
use crate::{
    heartbeat::{HeartbeatEntry, HeartbeatStream, Heartbeats},
    log::{AppendError, ReadError},
    time::LogTime,
};
use rusqlite::{Connection, ErrorCode};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// `mcph`, in the header of every file.
const APPLICATION_ID: i32 = 0x6d63_7068;
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// `AUTOINCREMENT`: a sequence is not used again when all records are gone.
const SCHEMA: &str = "CREATE TABLE heartbeats (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL, -- when the record was made, in milliseconds
    bytes    BLOB    NOT NULL
) STRICT";

/// A stream in a SQLite file. Only the process that holds the log's lock may write to it.
#[derive(Debug)]
pub struct SqliteHeartbeats {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the heartbeats in {}: {reason}; the file may be moved away, only heartbeats are in it", path.display())]
pub struct OpenHeartbeatsError {
    path: PathBuf,
    reason: String,
}

impl SqliteHeartbeats {
    /// The file that belongs to a log: `heartbeats.db` beside `log.db`, `x.heartbeats.db` beside `x.db`.
    pub fn beside(log: &Path) -> PathBuf {
        match log.file_stem().filter(|stem| *stem != "log") {
            Some(stem) => log.with_file_name(format!("{}.heartbeats.db", stem.display())),
            None => log.with_file_name("heartbeats.db"),
        }
    }

    /// Opens a stream, and makes it if there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenHeartbeatsError> {
        let path = path.into();
        match connect(&path) {
            Ok(Some(connection)) => Ok(Self { path, connection: Mutex::new(connection) }),
            Ok(None) => Err(OpenHeartbeatsError { path, reason: "it is something else".to_owned() }),
            Err(error) => Err(OpenHeartbeatsError { path, reason: error.to_string() }),
        }
    }

    /// A statement that panics is rolled back, so a poisoned lock is as good as any.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_written(&self, error: &rusqlite::Error) -> AppendError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => AppendError::DiskFull(self.path.display().to_string()),
            _ => AppendError::NotWritten(error.to_string()),
        }
    }

    fn not_read(&self, reason: impl std::fmt::Display) -> ReadError {
        ReadError { reason: format!("{}: {reason}", self.path.display()), retryable: true }
    }
}

/// `None` if the file is no heartbeat stream.
fn connect(path: &Path) -> rusqlite::Result<Option<Connection>> {
    make_private_file(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let is_new: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    let found: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if !is_new && found != APPLICATION_ID {
        return Ok(None);
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.pragma_update(None, "cache_size", -256)?;
    if is_new {
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA}; PRAGMA application_id = {APPLICATION_ID}; COMMIT;"))?;
    }
    Ok(Some(connection))
}

impl HeartbeatStream for SqliteHeartbeats {
    fn append(&self, heartbeats: &Heartbeats) -> Result<u64, AppendError> {
        let bytes = serde_json::to_vec(heartbeats).map_err(|error| AppendError::NotWritten(error.to_string()))?;
        let connection = self.connection();
        let insert = || {
            let mut insert = connection.prepare_cached("INSERT INTO heartbeats (at, bytes) VALUES (?1, ?2)")?;
            insert.insert((heartbeats.decided_at.as_millis(), bytes))
        };
        insert().map(i64::unsigned_abs).map_err(|error| self.not_written(&error))
    }

    fn read(&self, after: u64, max: usize) -> Result<Vec<HeartbeatEntry>, ReadError> {
        const QUERY: &str = "SELECT sequence, bytes FROM heartbeats WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
        let (after, max) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(max).unwrap_or(i64::MAX));
        let rows = || -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
            let connection = self.connection();
            let mut query = connection.prepare_cached(QUERY)?;
            query.query_map((after, max), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let entry = |(sequence, bytes): (i64, Vec<u8>)| {
            let heartbeats = serde_json::from_slice(&bytes)
                .map_err(|error| self.not_read(format_args!("record {sequence} is damaged: {error}")))?;
            Ok(HeartbeatEntry { sequence: sequence.unsigned_abs(), heartbeats })
        };
        rows().map_err(|error| self.not_read(error))?.into_iter().map(entry).collect()
    }

    fn floor(&self) -> Result<u64, ReadError> {
        // What is forgotten are the oldest; where nothing is left, everything that there ever was.
        const QUERY: &str = "SELECT coalesce((SELECT min(sequence) - 1 FROM heartbeats),
            (SELECT seq FROM sqlite_sequence WHERE name = 'heartbeats'), 0)";
        let found = self.connection().query_row(QUERY, [], |row| row.get::<_, i64>(0));
        found.map(i64::unsigned_abs).map_err(|error| self.not_read(error))
    }

    fn before(&self, time: LogTime) -> Result<u64, ReadError> {
        // Records are in the order of time: a scan from the end stops at the first that is old enough.
        const QUERY: &str = "SELECT coalesce(
            (SELECT sequence FROM heartbeats WHERE at < ?1 ORDER BY sequence DESC LIMIT 1), 0)";
        let found = self.connection().query_row(QUERY, [time.as_millis()], |row| row.get::<_, i64>(0));
        found.map(i64::unsigned_abs).map_err(|error| self.not_read(error))
    }

    fn forget(&self, time: LogTime) -> Result<(), AppendError> {
        // Records are in the order of time: the scan ends at the first that stays.
        const DELETE: &str = "DELETE FROM heartbeats WHERE sequence < (
            SELECT coalesce((SELECT sequence FROM heartbeats WHERE at >= ?1 ORDER BY sequence LIMIT 1),
                            (SELECT max(sequence) + 1 FROM heartbeats)))";
        let deleted = self.connection().execute(DELETE, [time.as_millis()]);
        deleted.map(drop).map_err(|error| self.not_written(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heartbeat::VERSION, name::SessionId};
    use std::collections::BTreeMap;
    use uuid::Uuid;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("mcpctl-heartbeats-{}", Uuid::new_v4()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("heartbeats.db")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn at(seconds: i64) -> LogTime {
        LogTime::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn heard(seconds: i64) -> Heartbeats {
        let id = SessionId::parse(&format!("s{seconds}")).unwrap();
        Heartbeats {
            v: VERSION,
            log_id: Uuid::from_u128(1),
            term: 3,
            writer: Uuid::from_u128(2),
            decided_at: at(seconds),
            sessions: BTreeMap::from([(id, at(seconds - 1))]),
        }
    }

    fn sequences(stream: &SqliteHeartbeats, after: u64) -> Vec<u64> {
        stream.read(after, 100).unwrap().iter().map(|entry| entry.sequence).collect()
    }

    #[test]
    fn records_come_back_in_order_also_after_it_was_opened_again() {
        let folder = Folder::new();
        {
            let stream = SqliteHeartbeats::open(folder.file()).unwrap();
            (1..=5).for_each(|second| assert_eq!(stream.append(&heard(second)).unwrap(), second.unsigned_abs()));
        }
        let stream = SqliteHeartbeats::open(folder.file()).unwrap();
        let page = stream.read(2, 2).unwrap();
        assert_eq!(page.iter().map(|entry| &entry.heartbeats).collect::<Vec<_>>(), [&heard(3), &heard(4)]);
        assert_eq!(stream.before(at(4)).unwrap(), 3);
        assert_eq!((stream.before(at(0)).unwrap(), stream.before(at(99)).unwrap()), (0, 5));
    }

    #[test]
    fn what_is_old_is_forgotten_and_its_place_not_used_again() {
        let folder = Folder::new();
        let stream = SqliteHeartbeats::open(folder.file()).unwrap();
        stream.forget(at(9)).unwrap();
        assert_eq!(stream.floor().unwrap(), 0);
        for second in 1..=5 {
            stream.append(&heard(second)).unwrap();
        }
        assert_eq!(stream.floor().unwrap(), 0);
        stream.forget(at(4)).unwrap();
        assert_eq!((sequences(&stream, 0), stream.floor().unwrap()), (vec![4, 5], 3));
        stream.forget(at(9)).unwrap();
        assert!(sequences(&stream, 0).is_empty());
        assert_eq!(stream.floor().unwrap(), 5);
        assert_eq!(stream.append(&heard(10)).unwrap(), 6);
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_left_alone() {
        let folder = Folder::new();
        let other = Connection::open(folder.file()).unwrap();
        other.execute_batch("CREATE TABLE mine (x)").unwrap();
        let error = SqliteHeartbeats::open(folder.file()).unwrap_err().to_string();
        assert!(error.contains("something else") && error.contains("heartbeats.db"), "{error}");
        std::fs::write(folder.file(), "no database at all").unwrap();
        assert!(SqliteHeartbeats::open(folder.file()).is_err());
    }

    #[test]
    fn a_log_has_its_stream_beside_it() {
        let beside = |log: &str| SqliteHeartbeats::beside(Path::new(log));
        assert_eq!(beside("/data/log.db"), Path::new("/data/heartbeats.db"));
        assert_eq!(beside("/data/other.db"), Path::new("/data/other.heartbeats.db"));
    }
}
