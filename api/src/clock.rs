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

    /// A wait of at most `longest`, and little less, that ends together with those of others: what a thousand connections
    /// wait for then wakes the server a few times a second, and not for each of them.
    pub fn in_step(&self, longest: Duration) -> Duration {
        in_step(self.uptime(), longest)
    }
}

fn in_step(uptime: Duration, longest: Duration) -> Duration {
    const STEPS: u32 = 20;
    let beyond = (uptime + longest).as_nanos() % (longest / STEPS).as_nanos().max(1);
    longest.saturating_sub(Duration::from_nanos(u64::try_from(beyond).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_together_and_never_late() {
        let longest = Duration::from_secs(20);
        for uptime in [0, 1, 999, 1000, 1001, 123_456_789].map(Duration::from_millis) {
            let wait = in_step(uptime, longest);
            assert_eq!((uptime + wait).subsec_nanos(), 0, "{uptime:?}");
            assert!(wait <= longest && wait + Duration::from_secs(1) > longest, "{uptime:?}: {wait:?}");
        }
        assert!(in_step(Duration::from_millis(7), Duration::from_nanos(1)) <= Duration::from_nanos(1));
    }
}
