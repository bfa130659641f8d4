//! The sweep: what was silent for too long becomes inactive, what was inactive for too long is deleted.
//!
//! Late expiry, never a false one: leases run on the monotonic clock from the later of this writer's election and the
//! last sign of life, and when too much is silent at once, or the wall clock jumped, the sweep waits once.
//! A sweep is a list of steps that is worked off between the writer's other work, each decided when its turn comes.

use super::{
    SweepAnswer, WriteError,
    breaker::{Breaker, Found, Judgment},
    in_flight::Waiting,
    system,
    thread::WriterThread,
};
use mcpctl_events::{
    command::{Command, Expire, Retention, SuspendExpiry},
    decide::{Retained, plan_retention, retained},
    event::{Body, row::RowEvent},
    leadership::Tenure,
    name::{Name, SessionId},
    record::MAX_EVENTS_OF_A_MASS_CHANGE,
    time::LogTime,
};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};
use uuid::Uuid;

/// Steps and events of a sweep before what else waits for the writer has its turn.
const SLICE: usize = 1000;

/// The times that sweeps go by, what they remember, and the one under way.
pub struct Sweeper {
    heartbeat_timeout: Duration,
    retention: Duration,
    breaker: Breaker,
    under_way: Option<Sweep>,
    /// Who asked for a sweep while one was under way, which may have passed what they mean.
    next: Vec<SweepAnswer>,
}

impl Sweeper {
    /// Sessions are stale after a silence of `heartbeat_timeout`; inactive rows are kept for `retention`.
    pub fn new(heartbeat_timeout: Duration, retention: Duration) -> Self {
        Self { heartbeat_timeout, retention, breaker: Breaker::default(), under_way: None, next: Vec::new() }
    }

    pub(super) fn is_sweeping(&self) -> bool {
        self.under_way.is_some()
    }
}

/// A sweep under way.
struct Sweep {
    id: Uuid,
    /// What it staged in another term is not known to be history.
    tenure: Option<Tenure>,
    steps: VecDeque<Step>,
    report: SweepReport,
    answers: Vec<SweepAnswer>,
}

/// What a sweep does next; checked again when it is decided.
enum Step {
    Resume,
    Expire(SessionId),
    Suspend(SuspendExpiry),
    /// Looks for rows that were inactive for too long, and makes steps of them.
    PlanRetention,
    DeleteAgents(Vec<Name>, LogTime),
    DeleteLlm(Name, LogTime),
    ListRetained(LogTime),
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Takes note of the clocks at the start.
    pub(super) fn watch_clocks(&mut self) {
        self.sweeper.breaker.begin(self.clock.uptime(), self.clock.now());
    }

    /// Begins a sweep; who asked is answered once everything of it is admitted.
    pub(super) fn sweep(&mut self, answer: Option<SweepAnswer>) {
        if self.sweeper.is_sweeping() {
            self.sweeper.next.extend(answer);
        } else {
            self.begin_sweep(answer.into_iter().collect());
        }
    }

    fn begin_sweep(&mut self, answers: Vec<SweepAnswer>) {
        self.notice_a_standstill();
        let tenure = self.led_tenure();
        if tenure.is_some() {
            let (id, report) = (self.clock.id(), SweepReport::default());
            self.sweeper.under_way = Some(Sweep { id, tenure, steps: self.plan(id), report, answers });
        } else {
            let why = self.desk().no_writer();
            refuse(answers, &why);
        }
    }

    /// Goes on with the sweep under way, a slice at a time: writes are not held up by it.
    pub(super) fn go_on_sweeping(&mut self) {
        let Some(mut sweep) = self.sweeper.under_way.take() else { return };
        self.notice_a_standstill();
        if let Some(why) = self.has_lost(&sweep) {
            return refuse(sweep.answers.into_iter().chain(self.sweeper.next.drain(..)), &why);
        }
        let mut done = 0;
        while done < SLICE {
            let Some(step) = sweep.steps.pop_front() else { return self.end(sweep) };
            match self.step(&mut sweep, step) {
                Ok(events) => done += 1 + events,
                Err(why) => {
                    refuse(sweep.answers.into_iter().chain(self.sweeper.next.drain(..)), &why);
                    return;
                }
            }
        }
        self.sweeper.under_way = Some(sweep);
    }

    /// The term that is led, if one is.
    fn led_tenure(&self) -> Option<Tenure> {
        let desk = self.desk();
        desk.leadership.tenure().filter(|_| desk.leadership.is_leading())
    }

    /// Why the sweep can't go on, if its term is over.
    fn has_lost(&self, sweep: &Sweep) -> Option<WriteError> {
        match self.led_tenure() {
            None => Some(self.desk().no_writer()),
            led => (led != sweep.tenure).then_some(WriteError::OutcomeUnknown),
        }
    }

    fn end(&mut self, sweep: Sweep) {
        {
            let mut desk = self.desk();
            self.leases.retain(|session| desk.staged.sessions.contains_key(session));
            for answer in sweep.answers {
                desk.answer_later(Waiting::Sweep(answer, sweep.report.clone()), &self.clock);
            }
        }
        let next = std::mem::take(&mut self.sweeper.next);
        if !next.is_empty() {
            self.begin_sweep(next);
        }
    }

    /// Whether silence, and the clock, are to be believed, and what follows. When expiry is suspended, and when it goes
    /// on, the log says so.
    fn plan(&mut self, sweep_id: Uuid) -> VecDeque<Step> {
        let silence = self.silence();
        let (uptime, now, timeout) = (self.clock.uptime(), self.clock.now(), self.sweeper.heartbeat_timeout);
        let found = Found { uptime, now, stale: &silence.stale, live: silence.live };
        let expire = |stale: Vec<SessionId>| stale.into_iter().map(Step::Expire);
        match self.sweeper.breaker.judge(found, timeout) {
            Judgment::Wait => VecDeque::new(),
            Judgment::Suspend { reason, believed } => {
                let (stale, live) = (silence.stale.len() - believed.len(), silence.live);
                tracing::warn!(reason, stale, live, "expiry is suspended for one heartbeat timeout");
                let suspend = SuspendExpiry {
                    reason: reason.to_owned(),
                    stale_sessions: stale as u64,
                    sessions: live as u64,
                    until: now.plus(timeout),
                    sweep_id,
                };
                let resume = (!believed.is_empty()).then_some(Step::Resume);
                resume.into_iter().chain(expire(believed)).chain([Step::Suspend(suspend)]).collect()
            }
            // Also the suspension of an earlier writer is over, which ended with the full lease that this one granted.
            Judgment::Expire => {
                [Step::Resume].into_iter().chain(expire(silence.stale)).chain([Step::PlanRetention]).collect()
            }
        }
    }

    fn silence(&self) -> Silence {
        let (desk, uptime) = (self.desk(), self.clock.uptime());
        let mut silence = Silence::default();
        for (id, session) in desk.staged.sessions.iter() {
            let lease = self.leases.get(id).unwrap_or_else(|| self.leases.renew(id, uptime, session.last_heartbeat_at));
            if desk.staged.has_live_rows(session) {
                silence.live += 1;
                if lease.silence(uptime) > self.sweeper.heartbeat_timeout {
                    silence.stale.push(id.clone());
                }
            }
        }
        silence
    }

    /// Does one step and returns how many events it made.
    ///
    /// # Errors
    /// There is no writer any more: the sweep is over.
    fn step(&self, sweep: &mut Sweep, step: Step) -> Result<usize, WriteError> {
        let sweep_id = sweep.id;
        let retention = |names, cutoff| Retention { names, cutoff, sweep_id };
        match step {
            Step::Resume => self.stage_own(|| Some(Command::ResumeExpiry { sweep_id }), sweep),
            Step::Suspend(suspend) => self.stage_own(|| Some(Command::SuspendExpiry(suspend)), sweep),
            Step::Expire(session) => self.expire(session, sweep),
            Step::PlanRetention => {
                self.plan_retention(&mut sweep.steps);
                Ok(0)
            }
            Step::DeleteAgents(names, cutoff) => {
                let command = Command::DeleteExpiredAgents(retention(names, cutoff));
                self.stage_own(|| Some(command), sweep)
            }
            Step::DeleteLlm(name, cutoff) => {
                let command = Command::DeleteExpiredLlm(retention(vec![name], cutoff));
                self.stage_own(|| Some(command), sweep)
            }
            Step::ListRetained(cutoff) => {
                sweep.report.retained = retained(&self.desk().staged, cutoff);
                Ok(0)
            }
        }
    }

    fn expire(&self, session: SessionId, sweep: &mut Sweep) -> Result<usize, WriteError> {
        let Some(lease) = self.leases.get(&session) else { return Ok(0) };
        let sweep_id = sweep.id;
        // It may have been heard since the sweep began; under the lock, as whoever hears it does it.
        let expire = || {
            let is_silent = lease.silence(self.clock.uptime()) > self.sweeper.heartbeat_timeout;
            is_silent.then(|| {
                Command::Expire(Expire {
                    session: session.clone(),
                    last_heartbeat_at: lease.heard_at(),
                    cutoff: self.clock.now().minus(self.sweeper.heartbeat_timeout),
                    sweep_id,
                })
            })
        };
        let events = self.stage_own(expire, sweep)?;
        if events > 0 {
            // A large session takes several records.
            sweep.steps.push_front(Step::Expire(session));
        }
        Ok(events)
    }

    fn plan_retention(&self, steps: &mut VecDeque<Step>) {
        let desk = self.desk();
        let cutoff = desk.log_time(&self.clock).minus(self.sweeper.retention);
        let plan = plan_retention(&desk.staged, cutoff);
        let agents = plan.agents.chunks(MAX_EVENTS_OF_A_MASS_CHANGE);
        steps.extend(agents.map(|names| Step::DeleteAgents(names.to_vec(), cutoff)));
        steps.extend(plan.llms.into_iter().map(|name| Step::DeleteLlm(name, cutoff)));
        steps.push_back(Step::ListRetained(cutoff));
    }

    /// Stages a command of the sweep that is made under the desk's lock, if it is, counts what it does, and returns how
    /// many events that are. A row that is refused never stops the sweep.
    fn stage_own(&self, command: impl FnOnce() -> Option<Command>, sweep: &mut Sweep) -> Result<usize, WriteError> {
        let answer = {
            let mut desk = self.desk();
            let Some(command) = command() else { return Ok(0) };
            let now = desk.log_time(&self.clock);
            desk.stage(&command, &system("sweep"), None, now, &self.clock)
        };
        match answer {
            Ok(done) => {
                done.events.iter().for_each(|event| sweep.report.count(&event.body));
                Ok(done.events.len())
            }
            Err(error @ WriteError::NoWriter(_)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "one row of the sweep was left as it is");
                Ok(0)
            }
        }
    }
}

impl SweepReport {
    fn count(&mut self, event: &Body) {
        match event {
            Body::Llm(RowEvent::Deactivated(_)) | Body::Agent(RowEvent::Deactivated(_)) => self.marked_inactive += 1,
            Body::Llm(RowEvent::Deleted(_)) | Body::Agent(RowEvent::Deleted(_)) => self.deleted += 1,
            _ => {}
        }
    }
}

fn refuse(answers: impl IntoIterator<Item = SweepAnswer>, why: &WriteError) {
    for answer in answers {
        let _ = answer.send(Err(why.clone()));
    }
}
