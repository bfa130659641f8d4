//! A whole log made elsewhere: it comes to its place complete, or not at all.

use super::{OpenError, SqliteLog, lock::ExclusiveLock, resolve};
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
    /// It would have been mixed with what is left of another log.
    #[error("{} is there without its log, and may hold records of it", .0.display())]
    Leftover(PathBuf),
    /// A log is a file.
    #[error("{} is there, and is no file", .0.display())]
    NoFile(PathBuf),
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
    // Closed before its files are removed, and the place is given up last.
    log: SqliteLog,
    files: Files,
    _place: ExclusiveLock,
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
        check_file(target)?;
        let target = resolve(target);
        check_empty(&target)?;
        // From here on no other draft and no server begins there.
        let place = ExclusiveLock::take(&target)?;
        check_empty(&target)?;
        let path = with_suffix(&target, ".importing");
        check_ours(&path)?;
        // What an import left that was killed.
        remove(&path, &[DATABASE, &[".lock"]].concat())?;
        let log = SqliteLog::open(&path)?;
        Ok(Self { log, files: Files { path, target }, _place: place })
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
        let Self { log, files, _place } = self;
        let failed = |source| DraftError::Io { path: files.target.clone(), source };
        // Closing it moves all of it into the one file, if there is room.
        drop(log);
        if holds_something(&with_suffix(&files.path, "-wal")) {
            return Err(failed(io::Error::other("not all of it could be moved into one file; is the disk full?")));
        }
        check_empty(&files.target)?;
        remove(&files.target, DATABASE)?;
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
        let _ = remove(&self.path, &[DATABASE, &[".lock"]].concat());
    }
}

/// A device, a pipe or a link to nowhere is put in the place of nothing.
fn check_file(target: &Path) -> Result<(), DraftError> {
    let is_file = match (fs::symlink_metadata(target), fs::metadata(target)) {
        (Ok(_), Ok(metadata)) => metadata.is_file(),
        (Ok(_), Err(_)) => false,
        (Err(_), _) => true,
    };
    if is_file { Ok(()) } else { Err(DraftError::NoFile(target.to_owned())) }
}

/// A log that is there has to be empty, and one that is not must not have left its write-ahead log behind: SQLite would
/// take that for the new one's.
fn check_empty(target: &Path) -> Result<(), DraftError> {
    let wal = with_suffix(target, "-wal");
    match SqliteLog::open_read_only(target) {
        Ok(log) if log.read(Position::default(), 1)?.entries.is_empty() => Ok(()),
        Ok(_) => Err(DraftError::HasHistory(target.to_owned())),
        Err(OpenError::Missing(_)) if holds_something(&wal) => Err(DraftError::Leftover(wal)),
        Err(OpenError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn holds_something(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0)
}

/// Refuses to take somebody's file for the leftover of an import.
fn check_ours(path: &Path) -> Result<(), DraftError> {
    match SqliteLog::open_read_only(path) {
        Ok(_) | Err(OpenError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The files of a database.
const DATABASE: &[&str] = &["", "-wal", "-shm"];

/// Removes a file with others that are named after it.
fn remove(path: &Path, suffixes: &[&str]) -> Result<(), DraftError> {
    for suffix in suffixes {
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
