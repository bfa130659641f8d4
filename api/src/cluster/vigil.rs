//! Watching over the replica that leads.
//!
//! It writes to the heartbeat stream each second. Whoever follows claims the next term after some seconds without a
//! record of it, while it provably reads both streams to their ends: what cannot be read is not quiet, and neither is a
//! process that stood still itself.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// The least quiet before a claim, and what is added to it at most; each replica has its own, so that few claim at once.
const LEAST_PATIENCE: Duration = Duration::from_secs(3);
const MORE_PATIENCE: Duration = Duration::from_secs(3);
/// The most that is waited where nobody leads.
const VACANT: Duration = Duration::from_millis(200);
/// How old the proof may be that the log, or the heartbeat stream, was read to its end.
const LOG_IS_READ: Duration = Duration::from_millis(2500);
const STREAM_IS_READ: Duration = Duration::from_millis(1500);

/// What a process has seen of the one that leads. All times are uptimes of this process.
#[derive(Debug)]
pub struct Vigil {
    /// From 0 to 1: how patient this process is.
    patience: f64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Since when nothing was heard, and would have been.
    quiet_since: Option<Duration>,
    /// When reads that found the end began.
    stream_end: Option<Duration>,
    log_end: Option<Duration>,
    /// Who leads.
    holder: Option<Uuid>,
    /// When it was read that nobody does.
    vacant_since: Option<Duration>,
    /// When the leader was last heard.
    heard_at: Option<Duration>,
}

impl Vigil {
    /// Begins to watch. `random` decides how patient this process is.
    pub fn new(random: Uuid) -> Self {
        let patience =
            f64::from(u16::from_le_bytes([random.as_bytes()[14], random.as_bytes()[15]])) / f64::from(u16::MAX);
        Self { patience, seen: Mutex::default() }
    }

    /// A read of the log that began at `begun` found its end; `holder` leads by then. A new leader has time for its
    /// first sign.
    pub fn log_ends(&self, begun: Duration, holder: Option<Uuid>) {
        let mut seen = self.seen();
        seen.log_end = Some(begun);
        if seen.holder != holder {
            seen.holder = holder;
            seen.quiet_since = seen.quiet_since.map(|since| since.max(begun));
        }
        seen.vacant_since = if holder.is_none() { seen.vacant_since.or(Some(begun)) } else { None };
    }

    /// The log could not be read.
    pub fn log_is_lost(&self) {
        let mut seen = self.seen();
        (seen.log_end, seen.quiet_since) = (None, None);
    }

    /// The leader was heard.
    pub fn heard(&self, now: Duration) {
        let mut seen = self.seen();
        (seen.quiet_since, seen.heard_at) = (Some(now), Some(now));
    }

    /// Whether the leader is heard, each second as it should be.
    pub fn hears(&self, now: Duration) -> bool {
        self.seen().heard_at.is_some_and(|at| now.saturating_sub(at) <= LEAST_PATIENCE)
    }

    /// A read of the heartbeat stream that began at `begun` found its end.
    pub fn stream_ends(&self, begun: Duration) {
        let mut seen = self.seen();
        seen.stream_end = Some(begun);
        seen.quiet_since.get_or_insert(begun);
    }

    /// The heartbeat stream could not be read.
    pub fn stream_is_lost(&self) {
        let mut seen = self.seen();
        (seen.stream_end, seen.quiet_since) = (None, None);
    }

    /// Whether this process may ask for the next term, which is that after the one of `holder`. What was seen of another one
    /// says nothing: how long this one is silent is known only from where its claim was read to be the last of the log.
    pub fn may_claim(&self, now: Duration, holder: Option<Uuid>) -> bool {
        let seen = self.seen();
        if seen.holder != holder {
            return false;
        }
        let is_recent = |at: Duration, most| now.saturating_sub(at) <= most;
        if !seen.log_end.is_some_and(|at| is_recent(at, LOG_IS_READ)) {
            return false;
        }
        if let Some(since) = seen.vacant_since {
            return now.saturating_sub(since) >= VACANT.mul_f64(self.patience);
        }
        let (Some(quiet), Some(end)) = (seen.quiet_since, seen.stream_end) else { return false };
        let patience = LEAST_PATIENCE + MORE_PATIENCE.mul_f64(self.patience);
        is_recent(end, STREAM_IS_READ) && end.saturating_sub(quiet) >= patience
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: Option<Uuid> = Some(Uuid::from_u128(7));

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Half patient: 4.5 s where somebody leads.
    fn vigil() -> Vigil {
        Vigil::new(Uuid::from_u128(0xff_7f))
    }

    /// Both are read to their ends each half second, and nothing is heard.
    fn quiet(vigil: &Vigil, from: u64, to: u64) {
        for ms in (from..=to).step_by(500) {
            vigil.log_ends(at(ms), LEADER);
            vigil.stream_ends(at(ms));
        }
    }

    #[test]
    fn patience_is_within_its_bounds() {
        for random in [0, u128::MAX, 0xff_7f] {
            let vigil = Vigil::new(Uuid::from_u128(random));
            quiet(&vigil, 0, 2500);
            assert!(!vigil.may_claim(at(2500), LEADER));
            quiet(&vigil, 3000, 6000);
            assert!(vigil.may_claim(at(6000), LEADER));
        }
    }

    #[test]
    fn a_sign_of_life_begins_the_wait_anew() {
        let vigil = vigil();
        quiet(&vigil, 0, 4000);
        assert!(!vigil.may_claim(at(4100), LEADER));
        vigil.heard(at(4200));
        quiet(&vigil, 4500, 8500);
        assert!(!vigil.may_claim(at(8600), LEADER));
        quiet(&vigil, 9000, 9000);
        assert!(vigil.may_claim(at(9000), LEADER));
    }

    #[test]
    fn what_cannot_be_read_is_not_quiet() {
        for lose in [Vigil::log_is_lost, Vigil::stream_is_lost] {
            let vigil = vigil();
            quiet(&vigil, 0, 5000);
            assert!(vigil.may_claim(at(5000), LEADER));
            lose(&vigil);
            assert!(!vigil.may_claim(at(5001), LEADER));
            quiet(&vigil, 5500, 9500);
            assert!(!vigil.may_claim(at(9500), LEADER), "it is quiet since it can be read again");
            quiet(&vigil, 10_000, 10_500);
            assert!(vigil.may_claim(at(10_500), LEADER));
        }
    }

    #[test]
    fn who_stood_still_reads_first() {
        let vigil = vigil();
        quiet(&vigil, 0, 4000);
        assert!(!vigil.may_claim(at(60_000), LEADER), "nobody looked meanwhile");
        vigil.stream_ends(at(60_000));
        assert!(!vigil.may_claim(at(60_000), LEADER), "the log may have another leader");
        vigil.heard(at(60_010));
        vigil.log_ends(at(60_000), LEADER);
        assert!(!vigil.may_claim(at(60_020), LEADER));
    }

    #[test]
    fn what_was_read_before_the_end_of_the_wait_proves_nothing_after_it() {
        let vigil = vigil();
        quiet(&vigil, 0, 4000);
        vigil.log_ends(at(4600), LEADER);
        assert!(!vigil.may_claim(at(4600), LEADER), "a sign may have come since");
    }

    #[test]
    fn a_new_leader_has_time_for_its_first_sign() {
        let vigil = vigil();
        quiet(&vigil, 0, 4500);
        let new = Some(Uuid::from_u128(8));
        assert!(!vigil.may_claim(at(4500), new), "it was read of, and not yet whether more came after it");
        vigil.log_ends(at(4600), new);
        vigil.stream_ends(at(4700));
        assert!(!vigil.may_claim(at(4700), new));
    }

    #[test]
    fn where_nobody_leads_somebody_soon_does() {
        let vigil = vigil();
        vigil.log_ends(at(0), None);
        assert!(!vigil.may_claim(at(50), None) && vigil.may_claim(at(110), None));
        assert!(!vigil.may_claim(at(110), LEADER), "somebody was elected meanwhile");
        assert!(!vigil.may_claim(at(3000), None), "the log was not read for long");
        vigil.log_ends(at(3000), LEADER);
        assert!(!vigil.may_claim(at(3100), LEADER), "somebody was faster");
    }
}
