//! Whether the file behind a path is still the one that was opened.
//!
//! SQLite goes on with a file that was moved away or replaced, and what it writes there nobody finds again.

use super::OpenError;
use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub(super) fn of(path: &Path) -> Result<Self, OpenError> {
        let metadata = fs::metadata(path).map_err(|_| OpenError::Missing(path.to_owned()))?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    /// # Errors
    /// A sentence on what happened to the file.
    pub(super) fn check(self, path: &Path) -> Result<(), String> {
        match fs::metadata(path) {
            Ok(metadata) if Self(metadata.dev(), metadata.ino()) == self => Ok(()),
            Ok(_) => Err(format!("the log {} was replaced while it was in use: restart the server", path.display())),
            Err(error) => Err(format!("the log {} is gone ({error}): put it back, or stop the server", path.display())),
        }
    }
}
