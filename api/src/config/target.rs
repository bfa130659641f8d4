//! Where the log and the tables are.

use super::ConfigError;
use std::path::{Path, PathBuf};

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// The read tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DbTarget {
    /// SQLite files in a folder.
    Sqlite(PathBuf),
}

pub(super) fn log(url: Option<&str>, data_dir: &Path) -> Result<LogTarget, ConfigError> {
    let path = sqlite_path("--log", "sqlite:<path of a file>", url)?;
    Ok(LogTarget::Sqlite(path.unwrap_or_else(|| data_dir.join("log.db"))))
}

pub(super) fn db(url: Option<&str>, data_dir: &Path) -> Result<DbTarget, ConfigError> {
    let path = sqlite_path("--db", "sqlite:<path of a folder>", url)?;
    Ok(DbTarget::Sqlite(path.unwrap_or_else(|| data_dir.to_owned())))
}

fn sqlite_path(flag: &str, expected: &str, url: Option<&str>) -> Result<Option<PathBuf>, ConfigError> {
    let Some(url) = url else { return Ok(None) };
    let path = url.strip_prefix("sqlite:").filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| ConfigError(format!("{flag} {url}: not supported; it is {expected}")))?;
    Ok(Some(path.into()))
}
