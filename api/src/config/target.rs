//! Where the log and the tables are.

use super::ConfigError;
use mcpctl_events::log::kafka::KafkaTarget;
use std::path::{Path, PathBuf};

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A topic.
    Kafka(KafkaTarget),
}

impl LogTarget {
    /// Whether other processes may append to it at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Kafka(_))
    }
}

/// The read tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DbTarget {
    /// SQLite files in a folder.
    Sqlite(PathBuf),
}

pub(super) fn log(url: Option<&str>, data_dir: &Path) -> Result<LogTarget, ConfigError> {
    if let Some(url) = url.filter(|url| url.starts_with("kafka:")) {
        let target = url.parse().map_err(|error| ConfigError(format!("--log {url}: {error}")))?;
        return Ok(LogTarget::Kafka(target));
    }
    let expected = "sqlite:<path of a file> or kafka://host:port[,host:port]/<topic>";
    let path = sqlite_path("--log", expected, url)?;
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
