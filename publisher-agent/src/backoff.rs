//! How long to wait before the next try.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// Doubling waits from 1 s to 60 s.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait, of which up to a half is shortened at random, so that many publishers don't return in step.
    pub fn jittered(&mut self) -> Duration {
        let full = self.full();
        full.mul_f64(1.0 - fastrand::f64() / 2.0)
    }

    /// The next wait at its full length.
    pub fn full(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX)).min(LONGEST);
        self.tries = (self.tries + 1).min(16);
        wait
    }

    /// Starts again at the shortest wait.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute_and_starts_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| backoff.full().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.full(), FIRST);
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        for tries in 0..12 {
            let full = Backoff { tries }.full();
            let jittered = Backoff { tries }.jittered();
            assert!(jittered <= full && jittered >= full / 2, "{tries}: {jittered:?} of {full:?}");
        }
    }

    #[test]
    fn never_overflows() {
        let mut backoff = Backoff::default();
        assert!((0..100).map(|_| backoff.full()).all(|wait| wait <= LONGEST));
    }
}
