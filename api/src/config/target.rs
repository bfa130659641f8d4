//! Where the log and the tables are, unless it is said.

use super::ConfigError;
use mcpctl_events::log::target::LogTarget;
use mcpctl_projector::store::Database;
use std::path::Path;

pub(super) fn log(url: Option<&str>, data_dir: &Path) -> Result<LogTarget, ConfigError> {
    let Some(url) = url else { return Ok(LogTarget::Sqlite(data_dir.join("log.db"))) };
    url.parse().map_err(|error| ConfigError(format!("--log {url}: {error}")))
}

/// The URL may hold a password, and is not repeated.
pub(super) fn db(url: Option<&str>, data_dir: &Path) -> Result<Database, ConfigError> {
    let Some(url) = url else { return Ok(data_dir.into()) };
    url.parse().map_err(|error| ConfigError(format!("--db: {error}")))
}
