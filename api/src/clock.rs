//! The one place that reads clocks and makes ids; everything else is told.

use mcpctl_events::time::LogTime;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Wall time, monotonic time and fresh ids of this process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Begins to count.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    #[expect(clippy::unused_self, clippy::disallowed_methods, reason = "this is the place; who asks holds the clock")]
    /// Wall time; only recorded, never compared with a lease.
    pub fn now(&self) -> LogTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LogTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Time since the process started, on the monotonic clock: what leases run on.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::unused_self, clippy::disallowed_methods, reason = "this is the place; who asks holds the clock")]
    /// A UUIDv7.
    pub fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
