//! A whole log made elsewhere: it comes to its place complete, or not at all.

use super::{OpenError, SqliteLog};
use crate::log::{AppendError, EventLog, Position, ReadError};
use bytes::Bytes;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a log could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// It would have hidden a history.
    #[error("log already has a history: {} holds records", .0.display())]
    HasHistory(PathBuf),
    /// A log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A record cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What is in its place cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The operating system refused.
    #[error("cannot make {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A log beside its place. Dropping it removes it.
#[derive(Debug)]
pub struct Draft {
    // Closed before its files are removed.
    log: SqliteLog,
    files: Files,
}

#[derive(Debug)]
struct Files {
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Begins an empty log that is to stand at `target`, where there is none yet, or an empty one. Its folder must be
    /// there.
    pub fn begin(target: &Path) -> Result<Self, DraftError> {
        check_empty(target)?;
        let path = with_suffix(target, ".importing");
        // What an import left that was killed.
        remove(&path)?;
        let log = SqliteLog::open(&path)?;
        Ok(Self { log, files: Files { path, target: target.to_owned() } })
    }

    /// The log, for reading.
    pub fn log(&self) -> &dyn EventLog {
        &self.log
    }

    /// Adds records.
    pub fn append(&self, records: &[Bytes]) -> Result<(), DraftError> {
        Ok(self.log.append(records)?)
    }

    /// Puts the log in its place.
    pub fn finish(self) -> Result<(), DraftError> {
        let Self { log, files } = self;
        // Closing it leaves all of it in the one file.
        drop(log);
        let failed = |source| DraftError::Io { path: files.target.clone(), source };
        if check_empty(&files.target)? {
            remove(&files.target)?;
        }
        fs::File::open(&files.path).and_then(|file| file.sync_all()).map_err(failed)?;
        // Unlike a rename, this does not replace a log that another process has made just now.
        fs::hard_link(&files.path, &files.target).map_err(failed)?;
        let folder = files.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // The next import removes what stays behind.
        let _ = remove(&self.path);
    }
}

/// Whether there is a log, which has to be empty.
fn check_empty(target: &Path) -> Result<bool, DraftError> {
    match SqliteLog::open_read_only(target) {
        Ok(log) if log.read(Position::default(), 1)?.entries.is_empty() => Ok(true),
        Ok(_) => Err(DraftError::HasHistory(target.to_owned())),
        Err(OpenError::Missing(_)) => Ok(target.exists()),
        Err(error) => Err(error.into()),
    }
}

/// Removes a log with all that SQLite and its lock leave beside it.
fn remove(path: &Path) -> Result<(), DraftError> {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = with_suffix(path, suffix);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(DraftError::Io { path, source }),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
