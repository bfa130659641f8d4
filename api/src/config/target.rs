//! Where the log and the tables are, unless it is said.

use super::ConfigError;
use mcpctl_events::log::target::LogTarget;
use mcpctl_projector::store::Database;
use std::path::Path;

/// A URL with an `@` may hold a password, and is not repeated.
pub(super) fn log(url: Option<&str>, data_dir: &Path) -> Result<LogTarget, ConfigError> {
    let Some(url) = url else { return Ok(LogTarget::Sqlite(data_dir.join("log.db"))) };
    let shown = if url.contains('@') { String::new() } else { format!(" {url}") };
    url.parse().map_err(|error| ConfigError(format!("--log{shown}: {error}")))
}

/// The URL may hold a password, and is not repeated.
pub(super) fn db(url: Option<&str>, data_dir: &Path) -> Result<Database, ConfigError> {
    let Some(url) = url else { return Ok(data_dir.into()) };
    url.parse().map_err(|error| ConfigError(format!("--db: {error}")))
}
