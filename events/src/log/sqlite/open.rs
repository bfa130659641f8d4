//! What a log file looks like, and the check that a file is one.

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};
use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// `mcpl`, in the header of every log file.
const APPLICATION_ID: i32 = 0x6d63_706c;
/// Version of the table below.
const FORMAT: i32 = 1;
/// How long a statement waits for another process that recovers the file, or writes to it as only a person would.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// `INSERT OR REPLACE` deletes without firing a delete trigger; the third one refuses it.
const SCHEMA: &str = "
CREATE TABLE records (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TRIGGER records_are_never_changed BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'records of the log are never changed'); END;
CREATE TRIGGER records_are_never_removed BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'records of the log are never removed'); END;
CREATE TRIGGER records_are_never_replaced BEFORE INSERT ON records
WHEN EXISTS (SELECT 1 FROM records WHERE position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'records of the log are never replaced'); END;
";

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process appends to it.
    #[error("log {} is already being written by {holder}", path.display())]
    Locked {
        /// The log.
        path: PathBuf,
        /// `process 1234`.
        holder: String,
    },
    /// There is no such log.
    #[error("there is no log at {}", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is no mcpctl log; give another path, or move the file away", .0.display())]
    Foreign(PathBuf),
    /// A newer version made it.
    #[error("log {} has format {found}, this version reads up to {FORMAT}: use the newer version that wrote it", path.display())]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its format.
        found: i32,
    },
    /// The operating system refused.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("cannot open log {}: {source}", path.display())]
    Sqlite {
        /// The log.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        if source.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
            Self::Foreign(path.to_owned())
        } else {
            Self::Sqlite { path: path.to_owned(), source }
        }
    }
}

/// Makes a database file, if there is none, that nobody but its owner may read. SQLite gives the files beside it the same
/// mode, and says itself what is wrong if this did not work.
pub fn make_private_file(path: &Path) {
    let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
}

/// A connection that appends; makes the table in a new file, which nobody but its owner may read.
pub(super) fn for_appending(path: &Path) -> Result<Connection, OpenError> {
    make_private_file(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags)?;
    let failed = |source| OpenError::sqlite(path, source);
    let new = is_empty(&connection).map_err(failed)?;
    if !new {
        check_format(path, &connection)?;
    }
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    // On macOS only this reaches the disk; elsewhere it changes nothing.
    connection.pragma_update(None, "fullfsync", true).map_err(failed)?;
    // A reader that held the write-ahead log open must not leave it large for ever.
    connection.pragma_update(None, "journal_size_limit", 16 << 20).map_err(failed)?;
    if new {
        create(&mut connection).map_err(failed)?;
    }
    Ok(connection)
}

/// A connection that reads.
pub(super) fn for_reading(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Its appender was killed, or is just now, between making the file and what is in it.
    if is_empty(&connection).map_err(|source| OpenError::sqlite(path, source))? {
        return Err(OpenError::Missing(path.to_owned()));
    }
    check_format(path, &connection)?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::sqlite(path, source);
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Appends go to the end, reads go through: neither comes back to a page.
    connection.pragma_update(None, "cache_size", -256).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    Ok(connection)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn check_format(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let number = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(|source| OpenError::sqlite(path, source))
    };
    if number("application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    match number("user_version")? {
        found if found > FORMAT => Err(OpenError::Newer { path: path.to_owned(), found }),
        _ => Ok(()),
    }
}

/// All in one transaction: a process killed here leaves an empty file, which is a new log.
fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}
