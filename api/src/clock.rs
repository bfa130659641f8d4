//! The one place that reads clocks and makes ids; everything else is told.

use mcpctl_events::time::LogTime;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Wall time, monotonic time and fresh ids of this process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    #[cfg(test)]
    by_hand: Option<&'static by_hand::Times>,
}

impl Clock {
    /// Begins to count.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            #[cfg(test)]
            by_hand: None,
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "who asks holds the clock"))]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    /// Wall time; only recorded, never compared with a lease.
    pub fn now(&self) -> LogTime {
        #[cfg(test)]
        if let Some(times) = self.by_hand {
            return times.now();
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LogTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Time since the process started, on the monotonic clock: what leases run on.
    pub fn uptime(&self) -> Duration {
        #[cfg(test)]
        if let Some(times) = self.by_hand {
            return times.uptime();
        }
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

/// A clock that stands still until a test moves it.
#[cfg(test)]
pub(crate) mod by_hand {
    use super::{Clock, Duration, Instant, LogTime};
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    #[derive(Debug)]
    pub(crate) struct Times {
        uptime_ms: AtomicU64,
        wall_ms: AtomicI64,
    }

    impl Times {
        /// Begins anew. Lives for ever, as the clocks do that it is copied into.
        pub(crate) fn start() -> (Clock, &'static Self) {
            let times = Self { uptime_ms: AtomicU64::new(0), wall_ms: AtomicI64::new(1_800_000_000_000) };
            let times: &'static Self = Box::leak(Box::new(times));
            (Clock { started: Instant::now(), by_hand: Some(times) }, times)
        }

        /// Time goes by, on both clocks.
        pub(crate) fn pass(&self, time: Duration) {
            self.uptime_ms.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
            self.set_wall_by(time);
        }

        /// Somebody sets the wall clock.
        pub(crate) fn set_wall_by(&self, time: Duration) {
            self.wall_ms.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
        }

        pub(super) fn now(&self) -> LogTime {
            LogTime::from_millis(self.wall_ms.load(Ordering::Relaxed))
        }

        pub(crate) fn uptime(&self) -> Duration {
            Duration::from_millis(self.uptime_ms.load(Ordering::Relaxed))
        }
    }
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
