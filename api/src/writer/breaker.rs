//! Whether silence is to be believed: when too much goes silent at once, or the clock was set, the fault is more likely
//! here than with every publisher, and expiry waits once for one heartbeat timeout.

use mcpctl_events::{name::SessionId, time::LogTime};
use std::{collections::HashSet, time::Duration};

/// Fewest newly silent sessions that look like a fault of ours.
const MASS_SILENCE: usize = 10;
/// A wall clock that moved this much against the monotonic one was set.
const CLOCK_STEP: Duration = Duration::from_mins(1);

/// What a sweep found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// Monotonic time.
    pub(super) uptime: Duration,
    /// Wall time.
    pub(super) now: LogTime,
    /// Sessions that were silent for too long.
    pub(super) stale: &'a [SessionId],
    /// Sessions that can go stale: those with a live row, the stale ones among them.
    pub(super) live: usize,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgment {
    /// Expire what is stale; a suspension, if there was one, is over.
    Expire,
    /// A suspension goes on.
    Wait,
    /// Suspend expiry from now on.
    Suspend {
        /// Why.
        reason: &'static str,
        /// What was silent throughout an earlier suspension, which is over: it expires.
        believed: Vec<SessionId>,
    },
}

/// What is remembered from sweep to sweep.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    /// What was stale at the last sweep; during a suspension, when it began.
    known_stale: HashSet<SessionId>,
    /// Wall time less uptime at the last sweep.
    wall_offset_ms: Option<i64>,
    suspended_until: Option<Duration>,
}

impl Breaker {
    /// Takes note of the clocks at the start.
    pub(super) fn begin(&mut self, uptime: Duration, now: LogTime) {
        self.wall_offset_ms = Some(offset(uptime, now));
    }

    /// Judges a sweep. A suspension lasts for `timeout`, and what was silent when it began and is when it ends is
    /// believed; but not what went silent meanwhile, if that is a mass of its own.
    pub(super) fn judge(&mut self, found: Found<'_>, timeout: Duration) -> Judgment {
        let clock_step = self.clock_was_set(found);
        let running = self.suspended_until.is_some_and(|until| found.uptime < until);
        if running && !clock_step {
            return Judgment::Wait;
        }
        let (known, fresh): (Vec<_>, Vec<_>) =
            found.stale.iter().cloned().partition(|session| self.known_stale.contains(session));
        let mass_silence = fresh.len() >= MASS_SILENCE && fresh.len() * 2 > found.live;
        let ended = self.suspended_until.take().is_some() && !running;
        self.known_stale = found.stale.iter().cloned().collect();
        if !clock_step && !mass_silence {
            return Judgment::Expire;
        }
        self.suspended_until = Some(found.uptime + timeout);
        let reason = if clock_step { "clock_step" } else { "mass_silence" };
        Judgment::Suspend { reason, believed: if ended { known } else { Vec::new() } }
    }

    fn clock_was_set(&mut self, found: Found<'_>) -> bool {
        let offset = offset(found.uptime, found.now);
        let before = self.wall_offset_ms.replace(offset).unwrap_or(offset);
        u128::from(offset.abs_diff(before)) > CLOCK_STEP.as_millis()
    }
}

fn offset(uptime: Duration, now: LogTime) -> i64 {
    now.as_millis().saturating_sub(i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(90);
    const SWEEP: Duration = Duration::from_mins(1);

    /// Sweeps once a minute, on a wall clock that may be set.
    struct Sweeps {
        breaker: Breaker,
        uptime: Duration,
        clock_set_by: Duration,
    }

    impl Sweeps {
        fn begin() -> Self {
            let mut sweeps = Self { breaker: Breaker::default(), uptime: SWEEP, clock_set_by: Duration::ZERO };
            assert_eq!(sweeps.next(0..0, 100), Judgment::Expire);
            sweeps
        }

        fn next(&mut self, stale: std::ops::Range<usize>, live: usize) -> Judgment {
            self.uptime += SWEEP;
            let stale: Vec<_> = stale.map(|n| SessionId::parse(&format!("s{n}")).unwrap()).collect();
            let now = LogTime::from_millis(1_800_000_000_000).plus(self.uptime + self.clock_set_by);
            self.breaker.judge(Found { uptime: self.uptime, now, stale: &stale, live }, TIMEOUT)
        }
    }

    fn suspend(reason: &'static str) -> Judgment {
        Judgment::Suspend { reason, believed: Vec::new() }
    }

    #[test]
    fn a_few_silent_sessions_or_a_minority_are_believed() {
        assert_eq!(Sweeps::begin().next(0..9, 9), Judgment::Expire, "nine are too few to tell");
        assert_eq!(Sweeps::begin().next(0..50, 100), Judgment::Expire, "half are not more than half");
    }

    #[test]
    fn a_clock_that_is_set_before_the_first_sweep_is_noticed() {
        let mut breaker = Breaker::default();
        breaker.begin(Duration::ZERO, LogTime::from_millis(1_800_000_000_000));
        let now = LogTime::from_millis(1_800_000_000_000).plus(Duration::from_hours(5));
        let found = Found { uptime: SWEEP, now, stale: &[], live: 1 };
        assert_eq!(breaker.judge(found, TIMEOUT), suspend("clock_step"));
    }

    #[test]
    fn mass_silence_suspends_once_and_then_is_believed() {
        let mut sweeps = Sweeps::begin();
        assert_eq!(sweeps.next(0..51, 100), suspend("mass_silence"));
        assert_eq!(sweeps.next(0..51, 100), Judgment::Wait, "60 s later");
        assert_eq!(sweeps.next(0..51, 100), Judgment::Expire, "120 s later");
    }

    #[test]
    fn what_was_silent_before_is_not_new() {
        let mut sweeps = Sweeps::begin();
        assert_eq!(sweeps.next(0..45, 100), Judgment::Expire);
        assert_eq!(sweeps.next(0..60, 100), Judgment::Expire, "only 15 of them newly");
    }

    #[test]
    fn a_clock_that_was_set_suspends_however_little_is_silent() {
        for by in [Duration::from_secs(61), Duration::from_hours(1)] {
            let mut sweeps = Sweeps::begin();
            sweeps.clock_set_by = by;
            assert_eq!(sweeps.next(0..0, 100), suspend("clock_step"));
            assert_eq!(sweeps.next(0..1, 100), Judgment::Wait);
            assert_eq!(sweeps.next(0..1, 100), Judgment::Expire);
        }
        let mut sweeps = Sweeps::begin();
        sweeps.clock_set_by = Duration::from_secs(59);
        assert_eq!(sweeps.next(0..1, 100), Judgment::Expire, "clocks drift");
    }

    #[test]
    fn a_clock_that_is_set_again_suspends_again() {
        for waits in 0..2 {
            let mut sweeps = Sweeps::begin();
            sweeps.clock_set_by = Duration::from_hours(1);
            assert_eq!(sweeps.next(0..0, 100), suspend("clock_step"));
            (0..waits).for_each(|_| assert_eq!(sweeps.next(0..0, 100), Judgment::Wait));
            sweeps.clock_set_by = Duration::from_hours(2);
            assert_eq!(sweeps.next(0..0, 100), suspend("clock_step"), "after {waits} waits");
            assert_eq!(sweeps.next(0..1, 100), Judgment::Wait, "for its whole time");
            assert_eq!(sweeps.next(0..1, 100), Judgment::Expire);
        }
    }

    #[test]
    fn a_mass_that_goes_silent_during_a_suspension_has_one_of_its_own() {
        let mut sweeps = Sweeps::begin();
        sweeps.clock_set_by = Duration::from_hours(1);
        assert_eq!(sweeps.next(0..2, 100), suspend("clock_step"));
        assert_eq!(sweeps.next(0..60, 100), Judgment::Wait);
        let silent_throughout = ["s0", "s1"].map(|id| SessionId::parse(id).unwrap()).to_vec();
        let again = Judgment::Suspend { reason: "mass_silence", believed: silent_throughout };
        assert_eq!(sweeps.next(0..60, 100), again);
        assert_eq!(sweeps.next(2..60, 98), Judgment::Wait);
        assert_eq!(sweeps.next(2..70, 98), Judgment::Expire, "what goes silent later are a few");
    }
}
