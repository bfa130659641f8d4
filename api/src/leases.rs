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

/// One session's lease. Renewing it is two stores, so that every request of a publisher can do it.
#[derive(Debug, Default)]
pub struct Lease {
    heard_uptime_ms: AtomicU64,
    heard_at_ms: AtomicI64,
}

impl Lease {
    /// The session was heard.
    pub fn renew(&self, uptime: Duration, now: LogTime) {
        let uptime = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        self.heard_uptime_ms.fetch_max(uptime, Ordering::Relaxed);
        self.heard_at_ms.fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// How long ago the session was heard.
    pub fn silence(&self, uptime: Duration) -> Duration {
        uptime.saturating_sub(Duration::from_millis(self.heard_uptime_ms.load(Ordering::Relaxed)))
    }

    /// Wall time when the session was heard.
    pub fn heard_at(&self) -> LogTime {
        LogTime::from_millis(self.heard_at_ms.load(Ordering::Relaxed))
    }
}

/// The leases of all sessions.
#[derive(Debug, Default)]
pub struct Leases {
    leases: RwLock<HashMap<SessionId, Arc<Lease>>>,
}

impl Leases {
    /// The lease of a session, if it was heard since this process leads.
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

    /// Grants every session a full lease from `uptime` on: a new leader never expires what it did not watch itself.
    pub fn grant<'a>(&self, sessions: impl Iterator<Item = (&'a SessionId, LogTime)>, uptime: Duration) {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        leases.clear();
        for (session, heard_at) in sessions {
            leases.entry(session.clone()).or_default().renew(uptime, heard_at);
        }
    }

    /// The sessions that were heard at `uptime` or later, and when.
    pub fn heard_since(&self, uptime: Duration) -> Vec<(SessionId, LogTime)> {
        let since = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        let leases = self.leases.read().unwrap_or_else(PoisonError::into_inner);
        let heard = leases.iter().filter(|(_, lease)| lease.heard_uptime_ms.load(Ordering::Relaxed) >= since);
        heard.map(|(session, lease)| (session.clone(), lease.heard_at())).collect()
    }

    /// Forgets what is no session any more.
    pub fn retain(&self, is_session: impl Fn(&SessionId) -> bool) {
        self.leases.write().unwrap_or_else(PoisonError::into_inner).retain(|session, _| is_session(session));
    }
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
        assert_eq!(lease.silence(Duration::from_secs(20)), Duration::ZERO);
        assert_eq!(lease.heard_at().as_millis(), 300);
    }
}
