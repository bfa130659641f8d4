//! Notices that the machine slept: the wall clock went on while the steady one stood still.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;
use tracing::info;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A smaller difference is a clock being set right.
const SLEPT_AT_LEAST: Duration = Duration::from_secs(10);

/// Wall time, in whole seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: SystemTime,
    steady: Instant,
}

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// How long the machine slept between the two, if it did.
    fn slept_until(self, later: Self) -> Option<Duration> {
        let wall = later.wall.duration_since(self.wall).unwrap_or_default();
        let awake = later.steady.saturating_duration_since(self.steady);
        Some(wall.saturating_sub(awake)).filter(|slept| *slept >= SLEPT_AT_LEAST)
    }
}

/// Calls this each time the machine woke up.
pub async fn watch(woke: impl Fn()) {
    let mut before = Moment::now();
    loop {
        sleep(LOOK_EVERY).await;
        let now = Moment::now();
        if let Some(slept) = before.slept_until(now) {
            info!("the machine slept for {} s: connecting again", slept.as_secs());
            woke();
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_far_ahead_means_sleep() {
        let before = Moment::now();
        let after = |wall: u64, steady: u64| Moment {
            wall: before.wall + Duration::from_secs(wall),
            steady: before.steady + Duration::from_secs(steady),
        };
        assert_eq!(before.slept_until(after(2, 2)), None);
        assert_eq!(before.slept_until(after(8, 2)), None, "a clock set right");
        assert_eq!(before.slept_until(after(3602, 2)), Some(Duration::from_hours(1)));
        assert_eq!(before.slept_until(after(60, 60)), None, "a busy machine");
        let back = Moment { wall: before.wall - Duration::from_secs(100), steady: before.steady };
        assert_eq!(before.slept_until(back), None);
    }
}
