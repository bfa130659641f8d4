//! The sweep: what was silent for too long becomes inactive, what was inactive for too long is deleted.
//!
//! Late expiry, never a false one: leases run on the monotonic clock from the later of this writer's election and the
//! last sign of life, and when too much is silent at once, or the wall clock jumped, the sweep waits once.

use super::{Waiting, WriteError, WriterThread, system};
use mcpctl_events::{
    command::{Command, Expire, Retention, SuspendExpiry},
    decide::{Retained, plan_retention, retained},
    event::{Body, row::RowEvent},
    name::SessionId,
    record::MAX_EVENTS_OF_A_MASS_CHANGE,
    time::LogTime,
};
use std::{collections::HashSet, time::Duration};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Fewest newly silent sessions that look like a fault of ours rather than of theirs.
const MASS_SILENCE: usize = 10;
/// A wall clock that moved this much against the monotonic one was set.
const CLOCK_STEP: Duration = Duration::from_mins(1);

/// The times that a sweep goes by, and what it remembers.
#[derive(Debug, Clone)]
pub struct Times {
    /// Silence that makes a session stale.
    pub heartbeat_timeout: Duration,
    /// How long inactive rows are kept.
    pub retention: Duration,
    /// Sessions that were silent at the last sweep.
    known_stale: HashSet<SessionId>,
    /// Wall time less uptime at the last sweep.
    wall_offset_ms: Option<i64>,
    /// When a suspension of this process ends, in uptime.
    suspended_until: Option<Duration>,
}

impl Times {
    /// Nothing is remembered yet.
    pub fn new(heartbeat_timeout: Duration, retention: Duration) -> Self {
        Self { heartbeat_timeout, retention, known_stale: HashSet::new(), wall_offset_ms: None, suspended_until: None }
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Rows that became inactive.
    pub marked_inactive: usize,
    /// Rows that were deleted.
    pub deleted: usize,
    /// Llms that were kept.
    pub retained: Vec<Retained>,
}

/// A session that was silent for too long.
struct Stale {
    session: SessionId,
    heard_at: LogTime,
}

impl WriterThread {
    /// Sweeps, and answers once everything is admitted.
    pub(super) fn sweep(&mut self, answer: Option<oneshot::Sender<Result<SweepReport, WriteError>>>) {
        if !self.desk().leadership.is_leading() {
            if let Some(answer) = answer {
                let _ = answer.send(Err(WriteError::NoWriter("not elected yet".into())));
            }
            return;
        }
        let (sweep_id, mut report) = (self.clock.id(), SweepReport::default());
        let stale = self.stale();
        if self.may_expire(sweep_id, &stale) {
            for session in &stale {
                self.expire(session, sweep_id, &mut report);
            }
        }
        self.delete_overdue(sweep_id, &mut report);
        self.leases.retain(|session| self.desk().staged.sessions.contains_key(session));
        if let Some(answer) = answer {
            self.desk().answer_later(Waiting::Sweep(answer, report));
        }
    }

    /// Sessions with live rows that were not heard within the timeout.
    fn stale(&self) -> Vec<Stale> {
        let (desk, uptime) = (self.desk(), self.clock.uptime());
        let mut stale = Vec::new();
        for (id, session) in desk.staged.sessions.iter() {
            let lease = self.leases.get(id).unwrap_or_else(|| self.leases.renew(id, uptime, session.last_heartbeat_at));
            let live = session.llms.iter().any(|name| desk.staged.llms.get(name).is_some_and(|row| row.is_live()))
                || session.agents.iter().any(|name| desk.staged.agents.get(name).is_some_and(|row| row.is_live()));
            if live && lease.silence(uptime) > self.sweep.heartbeat_timeout {
                stale.push(Stale { session: id.clone(), heard_at: lease.heard_at() });
            }
        }
        stale
    }

    /// Whether silence is to be believed; suspends expiry once when it is not, and says so on the log.
    fn may_expire(&mut self, sweep_id: Uuid, stale: &[Stale]) -> bool {
        let uptime = self.clock.uptime();
        let reason = self.doubt_reason(stale);
        if let Some(until) = self.sweep.suspended_until {
            if uptime < until {
                return false;
            }
            self.sweep.suspended_until = None;
            self.stage_own(&Command::ResumeExpiry { sweep_id }, &mut SweepReport::default());
            return true;
        }
        let Some(reason) = reason else {
            // A suspension of an earlier writer ends with the full lease that this one granted.
            self.stage_own(&Command::ResumeExpiry { sweep_id }, &mut SweepReport::default());
            return true;
        };
        let sessions = self.desk().staged.sessions.len();
        tracing::warn!(reason, stale = stale.len(), sessions, "expiry is suspended for one heartbeat timeout");
        self.sweep.suspended_until = Some(uptime + self.sweep.heartbeat_timeout);
        let suspend = SuspendExpiry {
            reason: reason.to_owned(),
            stale_sessions: stale.len() as u64,
            sessions: sessions as u64,
            until: self.clock.now().plus(self.sweep.heartbeat_timeout),
            sweep_id,
        };
        self.stage_own(&Command::SuspendExpiry(suspend), &mut SweepReport::default());
        false
    }

    fn doubt_reason(&mut self, stale: &[Stale]) -> Option<&'static str> {
        let known = std::mem::take(&mut self.sweep.known_stale);
        let newly = stale.iter().filter(|stale| !known.contains(&stale.session)).count();
        self.sweep.known_stale = stale.iter().map(|stale| stale.session.clone()).collect();
        let live = self.desk().staged.sessions.len();
        let uptime_ms = i64::try_from(self.clock.uptime().as_millis()).unwrap_or(i64::MAX);
        let offset = self.clock.now().as_millis().saturating_sub(uptime_ms);
        let before = self.sweep.wall_offset_ms.replace(offset).unwrap_or(offset);
        if u128::from(offset.abs_diff(before)) > CLOCK_STEP.as_millis() {
            return Some("clock_step");
        }
        (newly >= MASS_SILENCE && newly * 2 > live).then_some("mass_silence")
    }

    fn expire(&mut self, stale: &Stale, sweep_id: Uuid, report: &mut SweepReport) {
        // Checked again now: it may have been heard since the sweep began.
        let lease = self.leases.get(&stale.session);
        if lease.is_none_or(|lease| lease.silence(self.clock.uptime()) <= self.sweep.heartbeat_timeout) {
            return;
        }
        let expire = Expire {
            session: stale.session.clone(),
            last_heartbeat_at: stale.heard_at,
            cutoff: self.clock.now().minus(self.sweep.heartbeat_timeout),
            sweep_id,
        };
        while self.stage_own(&Command::Expire(expire.clone()), report) {}
    }

    fn delete_overdue(&mut self, sweep_id: Uuid, report: &mut SweepReport) {
        let cutoff = self.desk().log_time(&self.clock).minus(self.sweep.retention);
        let plan = plan_retention(&self.desk().staged, cutoff);
        for names in plan.agents.chunks(MAX_EVENTS_OF_A_MASS_CHANGE) {
            let retention = Retention { names: names.to_vec(), cutoff, sweep_id };
            self.stage_own(&Command::DeleteExpiredAgents(retention), report);
        }
        for name in plan.llms {
            self.stage_own(&Command::DeleteExpiredLlm(Retention { names: vec![name], cutoff, sweep_id }), report);
        }
        report.retained = retained(&self.desk().staged, cutoff);
    }

    /// Stages a command of the sweep and counts what it does; false if nothing had to change, or it was refused.
    fn stage_own(&mut self, command: &Command, report: &mut SweepReport) -> bool {
        let answer = self.desk().stage(command, &system("sweep"), None, &self.clock);
        match answer {
            Ok(done) => {
                for event in done.events.iter() {
                    match &event.body {
                        Body::Llm(RowEvent::Deactivated(_)) | Body::Agent(RowEvent::Deactivated(_)) => {
                            report.marked_inactive += 1;
                        }
                        Body::Llm(RowEvent::Deleted(_)) | Body::Agent(RowEvent::Deleted(_)) => report.deleted += 1,
                        _ => {}
                    }
                }
                !done.events.is_empty()
            }
            Err(error) => {
                tracing::warn!(%error, "one row of the sweep was left as it is");
                false
            }
        }
    }
}
