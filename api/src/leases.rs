//! When each session was last heard: soft state of the writer, on the monotonic clock.

use mcpctl_events::{name::SessionId, time::LogTime};
use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// One session's lease, in milliseconds. Renewing it is three stores, so that every request of a publisher can do it.
#[derive(Debug, Default)]
pub struct Lease {
    /// When it began anew, in uptime: the session was heard, or this process was elected.
    begun: AtomicU64,
    /// When this process last heard the session, in uptime and by the wall clock; the latter also as earlier ones did.
    heard: AtomicU64,
    heard_at: AtomicI64,
}

impl Lease {
    /// The session was heard.
    pub fn renew(&self, uptime: Duration, now: LogTime) {
        self.begun.fetch_max(millis(uptime), Ordering::Relaxed);
        self.heard.fetch_max(millis(uptime), Ordering::Relaxed);
        self.note(now);
    }

    /// The session was heard at `at`, maybe by an earlier process.
    fn note(&self, at: LogTime) {
        self.heard_at.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    /// How long the lease has been running.
    pub fn silence(&self, uptime: Duration) -> Duration {
        uptime.saturating_sub(Duration::from_millis(self.begun.load(Ordering::Relaxed)))
    }

    /// Wall time when the session was last heard.
    pub fn heard_at(&self) -> LogTime {
        LogTime::from_millis(self.heard_at.load(Ordering::Relaxed))
    }
}

/// The leases of all sessions.
#[derive(Debug, Default)]
pub struct Leases {
    leases: RwLock<HashMap<SessionId, Arc<Lease>>>,
}

impl Leases {
    /// The lease of a session, if this process has heard it, granted it one, or knows when it was heard before.
    pub fn get(&self, session: &SessionId) -> Option<Arc<Lease>> {
        self.leases.read().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    /// The session was heard now.
    pub fn renew(&self, session: &SessionId, uptime: Duration, now: LogTime) -> Arc<Lease> {
        let lease = self.get(session).unwrap_or_else(|| {
            self.leases.write().unwrap_or_else(PoisonError::into_inner).entry(session.clone()).or_default().clone()
        });
        lease.renew(uptime, now);
        lease
    }

    /// Grants every session a full lease from `uptime` on: a new leader never expires what it did not watch itself. When
    /// a session was last heard stays known.
    pub fn grant<'a>(&self, sessions: impl Iterator<Item = (&'a SessionId, LogTime)>, uptime: Duration) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *leases);
        for (session, heard_at) in sessions {
            let lease = before.remove(session).unwrap_or_default();
            lease.begun.fetch_max(millis(uptime), Ordering::Relaxed);
            lease.note(heard_at);
            leases.insert(session.clone(), lease);
        }
    }

    /// Notes when sessions were heard by earlier processes.
    pub fn note(&self, heard: impl IntoIterator<Item = (SessionId, LogTime)>) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        for (session, at) in heard {
            leases.entry(session).or_default().note(at);
        }
    }

    /// The sessions that this process heard at `uptime` or later, and when.
    pub fn heard_since(&self, uptime: Duration) -> Vec<(SessionId, LogTime)> {
        let leases = self.leases.read().unwrap_or_else(PoisonError::into_inner);
        let since = millis(uptime).max(1);
        let heard = leases.iter().filter(|(_, lease)| lease.heard.load(Ordering::Relaxed) >= since);
        heard.map(|(session, lease)| (session.clone(), lease.heard_at())).collect()
    }

    /// Forgets what is no session any more.
    pub fn retain(&self, is_session: impl Fn(&SessionId) -> bool) {
        self.leases.write().unwrap_or_else(PoisonError::into_inner).retain(|session, _| is_session(session));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_from_when_the_session_was_heard() {
        let (leases, id) = (Leases::default(), SessionId::parse("s").unwrap());
        leases.renew(&id, Duration::from_secs(5), LogTime::from_millis(500));
        let lease = leases.get(&id).unwrap();
        assert_eq!(lease.silence(Duration::from_secs(12)), Duration::from_secs(7));
        leases.grant([(&id, LogTime::from_millis(300))].into_iter(), Duration::from_secs(20));
        let lease = leases.get(&id).unwrap();
        assert_eq!(lease.silence(Duration::from_secs(20)), Duration::ZERO, "a full lease");
        assert_eq!(lease.heard_at().as_millis(), 500, "it is not heard by being granted a lease");
    }

    #[test]
    fn what_is_granted_or_noted_was_not_heard_here() {
        let (leases, ids) = (Leases::default(), ["a", "b", "c"].map(|id| SessionId::parse(id).unwrap()));
        let [granted, noted, heard] = &ids;
        leases.note([(noted.clone(), LogTime::from_millis(700)), (granted.clone(), LogTime::from_millis(600))]);
        let before = LogTime::from_millis(300);
        leases.grant([(granted, before), (noted, before)].into_iter(), Duration::from_secs(20));
        leases.renew(heard, Duration::from_secs(30), LogTime::from_millis(900));
        assert_eq!(leases.heard_since(Duration::from_secs(25)), [(heard.clone(), LogTime::from_millis(900))]);
        assert!(leases.heard_since(Duration::from_secs(31)).is_empty());
        assert_eq!(leases.get(granted).unwrap().heard_at().as_millis(), 600);
    }
}
