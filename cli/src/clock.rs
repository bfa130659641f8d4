//! The one place that reads the clock.

use mcpctl_events::time::LogTime;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is that place")]
pub fn now() -> LogTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
