//! A copy of a SQLite file as it is at one moment, while others write to it.

use super::make_private_file;
use rusqlite::{Connection, OpenFlags, backup::Backup};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Pause before another try, while somebody holds the file alone.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a file could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be copied: {source}", path.display())]
pub struct CopyError {
    /// The file that was to be copied.
    path: PathBuf,
    /// Why not.
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Copies a file to where none is, in one step, so that all of it is of the same moment; it is on the disk then. Writers
/// are not held up.
pub fn copy(from: &Path, to: &Path) -> Result<(), CopyError> {
    let sql = || -> rusqlite::Result<()> {
        let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        make_private_file(to);
        let mut target = Connection::open(to)?;
        Backup::new(&source, &mut target)?.run_to_completion(i32::MAX, PAUSE, None)
    };
    let synced = || -> io::Result<()> { File::open(to)?.sync_all() };
    let failed = |source| CopyError { path: from.to_owned(), source };
    sql().map_err(|error| failed(error.into()))?;
    synced().map_err(|error| failed(error.into()))
}
