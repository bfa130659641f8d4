//! The sweep: what was silent for too long becomes inactive, what was inactive for too long is deleted.
//!
//! Late expiry, never a false one: leases run on the monotonic clock from the later of this writer's election and the
//! last sign of life, and when too much is silent at once, or the wall clock jumped, the sweep waits once.

use super::{
    Waiting, WriteError, WriterThread,
    breaker::{Breaker, Found, Judgment},
    system,
};
use mcpctl_events::{
    command::{Command, Expire, Retention, SuspendExpiry},
    decide::{Retained, plan_retention, retained},
    event::{Body, row::RowEvent},
    name::SessionId,
    record::MAX_EVENTS_OF_A_MASS_CHANGE,
};
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// The times that a sweep goes by, and what it remembers.
#[derive(Debug, Clone)]
pub struct Times {
    /// Silence that makes a session stale.
    pub heartbeat_timeout: Duration,
    /// How long inactive rows are kept.
    pub retention: Duration,
    breaker: Breaker,
}

impl Times {
    /// Nothing is remembered yet.
    pub fn new(heartbeat_timeout: Duration, retention: Duration) -> Self {
        Self { heartbeat_timeout, retention, breaker: Breaker::default() }
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

/// Sessions that can go stale, and those that have.
#[derive(Default)]
struct Silence {
    live: usize,
    stale: Vec<SessionId>,
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
        let silence = self.silence();
        if self.may_expire(sweep_id, &silence) {
            for session in &silence.stale {
                self.expire(session, sweep_id, &mut report);
            }
            self.delete_overdue(sweep_id, &mut report);
        }
        self.leases.retain(|session| self.desk().staged.sessions.contains_key(session));
        if let Some(answer) = answer {
            self.desk().answer_later(Waiting::Sweep(answer, report));
        }
    }

    fn silence(&self) -> Silence {
        let (desk, uptime) = (self.desk(), self.clock.uptime());
        let mut silence = Silence::default();
        for (id, session) in desk.staged.sessions.iter() {
            let lease = self.leases.get(id).unwrap_or_else(|| self.leases.renew(id, uptime, session.last_heartbeat_at));
            let live = session.llms.iter().any(|name| desk.staged.llms.get(name).is_some_and(|row| row.is_live()))
                || session.agents.iter().any(|name| desk.staged.agents.get(name).is_some_and(|row| row.is_live()));
            if live {
                silence.live += 1;
                if lease.silence(uptime) > self.sweep.heartbeat_timeout {
                    silence.stale.push(id.clone());
                }
            }
        }
        silence
    }

    /// Takes note of the clocks at the start.
    pub(super) fn watch_clocks(&mut self) {
        self.sweep.breaker.begin(self.clock.uptime(), self.clock.now());
    }

    /// Whether silence, and the clock, are to be believed; says so on the log when expiry is suspended, and when it goes on.
    fn may_expire(&mut self, sweep_id: Uuid, silence: &Silence) -> bool {
        let (uptime, now) = (self.clock.uptime(), self.clock.now());
        let found = Found { uptime, now, stale: &silence.stale, live: silence.live };
        match self.sweep.breaker.judge(found, self.sweep.heartbeat_timeout) {
            Judgment::Wait => false,
            Judgment::Suspend(reason) => {
                self.suspend(sweep_id, reason, silence);
                false
            }
            Judgment::Expire => {
                // Also that of an earlier writer, which ended with the full lease that this one granted.
                self.stage_own(&Command::ResumeExpiry { sweep_id }, &mut SweepReport::default());
                true
            }
        }
    }

    fn suspend(&mut self, sweep_id: Uuid, reason: &'static str, silence: &Silence) {
        let (stale, live) = (silence.stale.len(), silence.live);
        tracing::warn!(reason, stale, live, "expiry is suspended for one heartbeat timeout");
        let suspend = SuspendExpiry {
            reason: reason.to_owned(),
            stale_sessions: stale as u64,
            sessions: live as u64,
            until: self.clock.now().plus(self.sweep.heartbeat_timeout),
            sweep_id,
        };
        self.stage_own(&Command::SuspendExpiry(suspend), &mut SweepReport::default());
    }

    fn expire(&mut self, session: &SessionId, sweep_id: Uuid, report: &mut SweepReport) {
        let Some(lease) = self.leases.get(session) else { return };
        // Checked again now: it may have been heard since the sweep began.
        if lease.silence(self.clock.uptime()) <= self.sweep.heartbeat_timeout {
            return;
        }
        let expire = Expire {
            session: session.clone(),
            last_heartbeat_at: lease.heard_at(),
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
        let answer = {
            let mut desk = self.desk();
            let now = desk.log_time(&self.clock);
            desk.stage(command, &system("sweep"), None, now, &self.clock)
        };
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
