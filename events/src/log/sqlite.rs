//! The log in a SQLite file of its own.
//!
//! One process appends, held to that by a lock on `<file>.lock`; any number of processes read. A record is a row of an
//! ordinary rowid table, its position the rowid; triggers refuse every change of what is there.

mod append;
mod copy;
mod draft;
mod file;
mod heartbeats;
mod lock;
mod open;
mod read;
mod tip;

pub use copy::{CopyError, copy};
pub use draft::{Draft, DraftError};
pub use heartbeats::{OpenHeartbeatsError, SqliteHeartbeats};
pub use open::{OpenError, make_private_file};

use self::{append::Appender, file::FileId, lock::ExclusiveLock, read::Readers, tip::Tip};
use super::{AppendError, EventLog, Page, Position, ReadError};
use bytes::Bytes;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A log in a SQLite file.
///
/// Reads never wait for appends, nor for each other.
#[derive(Debug)]
pub struct SqliteLog {
    // Fields are dropped in this order: readers first, so that the appender's close can empty the write-ahead log, and
    // the lock last.
    readers: Readers,
    file: FileId,
    writing: Option<Writing>,
}

/// What only the process that appends has.
#[derive(Debug)]
struct Writing {
    appender: Mutex<Appender>,
    tip: Tip,
    _lock: ExclusiveLock,
}

impl SqliteLog {
    /// Opens the log to append to it, and makes it if there is none. Its folder must be there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = resolve(path.as_ref());
        let lock = ExclusiveLock::take(&path)?;
        let appender = Appender::open(&path)?;
        let tip = Tip::at(appender.last_position().map_err(|error| OpenError::sqlite(&path, error))?);
        let writing = Writing { appender: Mutex::new(appender), tip, _lock: lock };
        Ok(Self { file: FileId::of(&path)?, readers: Readers::of(path), writing: Some(writing) })
    }

    /// Opens a log that is there to read it, while another process may append.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = resolve(path.as_ref());
        open::for_reading(&path)?;
        Ok(Self { file: FileId::of(&path)?, readers: Readers::of(path), writing: None })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.readers.path()
    }

    /// Lets the file grow to `pages` more than it has now, and no further; `None` lifts the limit.
    ///
    /// A stand-in for a full disk.
    #[cfg(any(test, feature = "testing"))]
    pub fn limit_growth(&self, pages: Option<u32>) -> Result<(), AppendError> {
        self.with_appender(|appender| appender.limit_growth(pages))
    }

    fn with_appender<T>(&self, act: impl FnOnce(&mut Appender) -> Result<T, AppendError>) -> Result<T, AppendError> {
        let Some(writing) = &self.writing else {
            return Err(AppendError::NotWritten(format!("log {} was opened to read only", self.path().display())));
        };
        // A panic within an append drops the connection, which rolls back, so a poisoned lock is as good as any.
        act(&mut writing.appender.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventLog for SqliteLog {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        self.file.check(self.path()).map_err(AppendError::NotWritten)?;
        let last = self.with_appender(|appender| appender.append(records))?;
        // What was written to a file that is gone by now is nowhere.
        self.file.check(self.path()).map_err(AppendError::Unknown)?;
        if let Some(writing) = &self.writing {
            writing.tip.advance(last);
        }
        Ok(())
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        self.file.check(self.path()).map_err(|reason| ReadError { reason, retryable: true })?;
        self.readers.with(|reader| reader.page(after, max))
    }

    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        match &self.writing {
            Some(writing) => Ok(writing.tip.wait(after, timeout)),
            None => self.readers.with(|reader| reader.poll(after, timeout)),
        }
    }

    fn has_one_appender(&self) -> bool {
        true
    }
}

/// The file behind links, so that its lock is one and the same by whatever path it was reached.
fn resolve(path: &Path) -> PathBuf {
    let in_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}
