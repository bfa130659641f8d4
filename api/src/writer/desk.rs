//! What the writer decides on: the staged state, the records under way, and who waits for them.
//!
//! The desk is shared: the writer's thread stages, the follower's thread takes note of what came back.

use super::{Job, WriteError};
use crate::{clock::Clock, leases::Leases};
use bytes::Bytes;
use mcpctl_events::{
    command::Command,
    decide::{Context, decide},
    event::Event,
    hash::Hash,
    leadership::{Draft, Leadership, Observation, StageError, Stamp},
    name::Name,
    record::{Actor, Idempotency, MAX_RECORD_BYTES},
    rejection::Rejection,
    replica::{Decoded, Replica, fold_commit},
    state::{KeyUse, State},
    time::LogTime,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use uuid::Uuid;

/// A command that is history now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// The last sequence that it wrote, or the one that the registry was at.
    pub sequence: u64,
    /// Its events; none if nothing had to change.
    pub events: Arc<[Event]>,
    /// The command had been done before, under the same key; its first event has this sequence.
    pub repeat_of: Option<u64>,
    /// The rows that it was about, as it left them: what comes after it does not show in its answer.
    pub left: Arc<State>,
}

/// What a caller of the writer gets.
pub type Answer = Result<Done, WriteError>;

/// An answer that is held back until everything staged before it is admitted.
pub enum Waiting {
    /// One command.
    Command(oneshot::Sender<Answer>, Answer),
    /// A sweep.
    Sweep(oneshot::Sender<Result<super::SweepReport, WriteError>>, super::SweepReport),
}

impl Waiting {
    fn release(self) {
        match self {
            Self::Command(sender, answer) => drop(sender.send(answer)),
            Self::Sweep(sender, report) => drop(sender.send(Ok(report))),
        }
    }

    fn fail(self, error: &WriteError) {
        match self {
            Self::Command(sender, _) => drop(sender.send(Err(error.clone()))),
            Self::Sweep(sender, _) => drop(sender.send(Err(error.clone()))),
        }
    }
}

struct InFlight {
    hash: Hash,
    since: Duration,
    waiting: Vec<Waiting>,
}

/// See the module.
#[derive(Default)]
pub struct Desk {
    /// The protocol of claims and terms.
    pub leadership: Leadership,
    /// The registry with everything that is staged.
    pub staged: State,
    outgoing: Vec<Bytes>,
    in_flight: VecDeque<InFlight>,
    /// Why nobody leads here, for people.
    reason: String,
    falls: usize,
    down_since: Duration,
    claimed_at: Option<Duration>,
    log_id: Uuid,
}

impl Desk {
    /// Decides a command, stages what it means, and holds its answer back.
    pub(super) fn decide(&mut self, job: Job, clock: &Clock, leases: &Leases) {
        if !self.leadership.is_leading() {
            let _ = job.answer.send(Err(self.no_writer()));
            return;
        }
        let now = self.log_time(clock);
        let answer = self.stage(&job.command, &job.actor, job.idempotency, now, clock);
        self.renew(&job.command, clock.uptime(), now, leases);
        self.answer_later(Waiting::Command(job.answer, answer));
    }

    /// Whoever is heard has a new lease, from the moment of the decision, whatever was decided.
    fn renew(&self, command: &Command, uptime: Duration, now: LogTime, leases: &Leases) {
        let (session, user) = match command {
            Command::Register(register) => (&register.session, register.user.id),
            Command::Connect(connect) => (&connect.session, connect.user),
            Command::Revive(revive) => (&revive.session, revive.user),
            _ => return,
        };
        if self.staged.sessions.get(session).is_some_and(|known| known.user_id == user) {
            leases.renew(session, uptime, now);
        }
    }

    /// Decides and stages, at log time `now`; the answer must be held back by the caller.
    pub(super) fn stage(
        &mut self,
        command: &Command,
        actor: &Actor,
        idempotency: Option<Idempotency>,
        now: LogTime,
        clock: &Clock,
    ) -> Answer {
        if let Some(key) = &idempotency {
            match self.staged.keys.look_up(key, now) {
                Ok(KeyUse::Fresh) => {}
                Ok(KeyUse::Repeat(first)) => {
                    let left = Arc::new(left(&self.staged, command));
                    return Ok(Done { repeat_of: Some(first), left, ..self.unchanged() });
                }
                Ok(KeyUse::OtherRequest) => return Err(WriteError::KeyOfAnotherRequest),
                Err(_) => return Err(WriteError::TooManyKeys),
            }
        }
        let events = decide(&self.staged, command, Context { now, log_id: self.log_id })?;
        let done = if events.is_empty() {
            self.unchanged()
        } else {
            let stamp = Stamp { command_id: clock.id(), decided_at: now, actor: actor.clone() };
            self.commit(Draft { stamp, idempotency, events }, clock)?
        };
        Ok(Done { left: Arc::new(left(&self.staged, command)), ..done })
    }

    fn commit(&mut self, draft: Draft, clock: &Clock) -> Answer {
        let (decided_at, idempotency, events) =
            (draft.stamp.decided_at, draft.idempotency.clone(), draft.events.clone());
        let staged = self.leadership.stage(draft).map_err(|error| match error {
            StageError::TooLarge { bytes } => Rejection::RecordTooLarge { bytes, limit: MAX_RECORD_BYTES }.into(),
            StageError::NotLeading | StageError::NoEvents => self.no_writer(),
        })?;
        fold_commit(&mut self.staged, decided_at, &events, idempotency.as_ref(), staged.first_sequence);
        self.send(staged.bytes, staged.hash, clock);
        Ok(Done { sequence: staged.last_sequence, events: events.into(), ..Done::default() })
    }

    fn send(&mut self, bytes: Bytes, hash: Hash, clock: &Clock) {
        self.outgoing.push(bytes);
        self.in_flight.push_back(InFlight { hash, since: clock.uptime(), waiting: Vec::new() });
    }

    fn unchanged(&self) -> Done {
        Done { sequence: self.leadership.staged_sequence().unwrap_or_default(), ..Done::default() }
    }

    /// Releases an answer once all that is staged now is admitted; at once if nothing is under way.
    pub(super) fn answer_later(&mut self, waiting: Waiting) {
        match self.in_flight.back_mut() {
            Some(last) => last.waiting.push(waiting),
            None => waiting.release(),
        }
    }

    pub(super) fn take_outgoing(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.outgoing)
    }

    /// Takes note of a record that was read back, after the replica took it.
    pub(crate) fn observe(
        &mut self,
        entry: &Decoded,
        verdict: mcpctl_events::admission::Verdict,
        replica: &Replica,
    ) -> Observation {
        let observation = self.leadership.observe(entry.header(), entry.hash, verdict, &replica.admission);
        match observation {
            Observation::Admitted { hash } => self.admitted(hash),
            Observation::SteppedDown(why) => self.fall(&why.to_string(), 0),
            Observation::Elected(_) | Observation::MustResign(_) | Observation::Nothing => {}
        }
        observation
    }

    fn admitted(&mut self, hash: Hash) {
        while let Some(record) = self.in_flight.pop_front() {
            let found = record.hash == hash;
            record.waiting.into_iter().for_each(Waiting::release);
            if found {
                return;
            }
        }
    }

    /// The own claim was admitted: decisions start from the replica's state.
    pub(crate) fn open(&mut self, replica: &Replica, advertise_url: &str, clock: &Clock) {
        self.staged = replica.state.clone();
        self.log_id = replica.admission.log_id.unwrap_or_default();
        (self.falls, self.reason) = (0, String::new());
        let stamp = Stamp { command_id: clock.id(), decided_at: self.log_time(clock), actor: super::system("writer") };
        let decided_at = stamp.decided_at;
        if let Ok(staged) = self.leadership.open(advertise_url.to_owned(), stamp) {
            self.staged.now = decided_at;
            self.send(staged.bytes, staged.hash, clock);
        }
    }

    /// Log time for the next decision: wall time, but never before the last one.
    pub(super) fn log_time(&self, clock: &Clock) -> LogTime {
        clock.now().max(self.staged.now)
    }

    /// Whether it is time to claim anew.
    pub(super) fn may_claim(&self, uptime: Duration, backoff: &[Duration]) -> bool {
        let pause = backoff.get(self.falls.min(backoff.len() - 1)).copied().unwrap_or_default();
        self.leadership.is_following() && uptime.saturating_sub(self.down_since) >= pause
    }

    /// When the oldest record under way, or a claim, was appended.
    pub(super) fn oldest_in_flight(&self) -> Option<Duration> {
        if self.leadership.is_claiming() {
            return self.claimed_at;
        }
        self.in_flight.front().map(|record| record.since)
    }

    /// Notes when a claim was made.
    pub(super) fn claimed(&mut self, uptime: Duration) {
        self.claimed_at = Some(uptime);
    }

    /// Doubt: nothing that is staged is believed any more. The last `unwritten` records are known not to be on the
    /// log; whoever waits for the others can't be told what became of them.
    pub(super) fn step_down(&mut self, reason: &str, unwritten: usize, uptime: Duration) {
        self.leadership.step_down();
        self.falls += 1;
        self.down_since = uptime;
        self.fall(reason, unwritten);
    }

    /// The history cannot be folded any further: this process never writes again.
    pub(crate) fn bar(&mut self, reason: &str) {
        self.leadership.bar();
        self.fall(reason, 0);
    }

    fn fall(&mut self, reason: &str, unwritten: usize) {
        reason.clone_into(&mut self.reason);
        self.outgoing.clear();
        let known = self.in_flight.len().saturating_sub(unwritten);
        for (index, record) in self.in_flight.drain(..).enumerate() {
            let error =
                if index < known { WriteError::OutcomeUnknown } else { WriteError::NoWriter(reason.to_owned()) };
            record.waiting.into_iter().for_each(|waiting| waiting.fail(&error));
        }
    }

    fn no_writer(&self) -> WriteError {
        WriteError::NoWriter(if self.reason.is_empty() { "not elected yet".to_owned() } else { self.reason.clone() })
    }
}

/// The rows that an answer to this command shows.
fn left(state: &State, command: &Command) -> State {
    let row = |llm: Option<&Name>, agent: Option<&Name>| state.part(llm, agent, None);
    match command {
        Command::Register(register) => {
            let llms = register.providers.iter().map(|provider| &provider.name);
            let agents = register.agents.iter().map(|agent| &agent.name);
            state.part(llms, agents, Some(&register.session))
        }
        Command::CreateLlm(create) => row(Some(&create.name), None),
        Command::PutLlm(put) => row(Some(&put.name), None),
        Command::SwitchLlm(switch) => row(Some(&switch.name), None),
        Command::CreateAgent(create) => row(None, Some(&create.name)),
        Command::PutAgent(put) => row(None, Some(&put.name)),
        Command::SwitchAgent(switch) => row(None, Some(&switch.name)),
        _ => State::default(),
    }
}
