//! What the writer decides on: the staged state, the records under way, and who waits for them.
//!
//! The desk is shared: the writer's thread stages, the follower's thread takes note of what came back.

use super::{
    Job, WriteError,
    in_flight::{Appending, InFlight, Waiting},
    system,
};
use crate::{clock::Clock, leases::Leases};
use bytes::Bytes;
use mcpctl_events::{
    admission::{Admission, Verdict},
    command::{Command, Revive},
    decide::{Context, Quotas, decide},
    definition::document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
    event::{Event, registry::WriterElected, row::Cause},
    hash::Hash,
    leadership::{Draft, Leadership, Observation, StageError, Stamp, Tenure},
    name::Name,
    record::{Actor, Idempotency, MAX_RECORD_BYTES},
    rejection::Rejection,
    replica::{Decoded, Replica, fold_commit},
    state::{KeyUse, State},
    time::LogTime,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// How long a sign of life that was written is reason to believe that nobody else leads. It is no proof: another one may
/// have made up its mind just before, and its claim be under way. Only signs of life of publishers rest on it.
const SIGN: Duration = Duration::from_secs(2);

/// A command that is history now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The last sequence that it wrote, or the one that the registry was at.
    pub sequence: u64,
    /// Its events; none if nothing had to change.
    pub events: Arc<[Event]>,
    /// The command had been done before, under the same key; its first event has this sequence.
    pub repeat_of: Option<u64>,
    /// The rows that it was about, if an answer shows them, as it left them: what comes after it does not show in its answer.
    pub left: Option<Arc<State>>,
}

/// What a caller of the writer gets.
pub type Answer = Result<Done, WriteError>;

/// See the module.
#[derive(Default)]
pub struct Desk {
    /// The protocol of claims and terms.
    pub leadership: Leadership,
    /// The registry with everything that is staged.
    pub staged: State,
    /// How much there may be.
    pub quotas: Quotas,
    /// Whether others append to the log too, and may have been elected meanwhile.
    pub is_shared: bool,
    outgoing: Vec<Bytes>,
    in_flight: InFlight,
    /// Why nobody leads here, for people.
    reason: String,
    falls: usize,
    down_since: Duration,
    log_id: Uuid,
    /// When this process wrote its last sign of life.
    signed_at: Option<Duration>,
    /// The writer that this process claimed for the last time.
    claimed_as: Option<Uuid>,
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
        let waiting = Waiting::Command(job.answer, answer);
        // Liveness is soft state: a sign of life that changed nothing leaves nothing on the log.
        if matches!(job.command, Command::Revive(Revive { cause: Cause::Heartbeat, .. }))
            && self.is_sure(clock.uptime())
        {
            self.in_flight.answer_later(waiting);
        } else {
            self.answer_later(waiting, clock);
        }
    }

    /// The registry, if this is who leads, and all that was staged is history. Where others may lead by now, only while
    /// a sign of life keeps them from it.
    pub(super) fn settled(&self, uptime: Duration) -> Option<&State> {
        (self.leadership.is_leading() && self.in_flight.is_empty() && self.is_sure(uptime)).then_some(&self.staged)
    }

    /// Whether nobody else leads, as far as that can be known without the log.
    fn is_sure(&self, uptime: Duration) -> bool {
        !self.is_shared || self.signed_at.is_some_and(|at| uptime.saturating_sub(at) < SIGN)
    }

    /// A sign of life that this process began to write at `uptime` is on the heartbeat stream.
    pub(super) fn signed(&mut self, uptime: Duration) {
        self.signed_at = Some(uptime);
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
                    let left = left(&self.staged, command);
                    return Ok(Done { repeat_of: Some(first), left, ..self.unchanged() });
                }
                Ok(KeyUse::OtherRequest) => return Err(WriteError::KeyOfAnotherRequest),
                Err(_) => return Err(WriteError::TooManyKeys),
            }
        }
        let events = decide(&self.staged, command, Context { now, log_id: self.log_id, quotas: self.quotas })?;
        let done = if events.is_empty() {
            self.unchanged()
        } else {
            let stamp = Stamp { command_id: clock.id(), decided_at: now, actor: actor.clone() };
            self.commit(Draft { stamp, idempotency, events })?
        };
        Ok(Done { left: left(&self.staged, command), ..done })
    }

    fn commit(&mut self, draft: Draft) -> Answer {
        let (decided_at, idempotency, events) =
            (draft.stamp.decided_at, draft.idempotency.clone(), draft.events.clone());
        let staged = self.leadership.stage(draft).map_err(|error| match error {
            StageError::TooLarge { bytes } => Rejection::RecordTooLarge { bytes, limit: MAX_RECORD_BYTES }.into(),
            StageError::NotLeading | StageError::NoEvents => self.no_writer(),
        })?;
        fold_commit(&mut self.staged, decided_at, &events, idempotency.as_ref(), staged.first_sequence);
        self.send(staged.bytes, staged.hash);
        Ok(Done { sequence: staged.last_sequence, events: events.into(), ..Done::default() })
    }

    fn send(&mut self, bytes: Bytes, hash: Hash) {
        self.outgoing.push(bytes);
        self.in_flight.push(hash);
    }

    fn unchanged(&self) -> Done {
        Done { sequence: self.leadership.staged_sequence().unwrap_or_default(), ..Done::default() }
    }

    /// Releases an answer once all that is staged now is admitted; at once if nothing is under way. Where others may
    /// lead, what is admitted has to be appended after the question: whatever was appended before may be on the log before
    /// another's claim, and the claim not be read yet.
    pub(super) fn answer_later(&mut self, waiting: Waiting, clock: &Clock) {
        // The follower takes the term at any moment, and what was staged in it is gone then.
        if !self.leadership.is_leading() {
            waiting.fail(&WriteError::OutcomeUnknown);
            return;
        }
        if self.is_shared && !self.in_flight.ends_staged() {
            let stamp = self.stamp(clock);
            if let Ok(staged) = self.leadership.noop(stamp) {
                self.send(staged.bytes, staged.hash);
            }
        }
        self.in_flight.answer_later(waiting);
    }

    /// What is to be appended now. [`Desk::appended`] or [`Desk::doubt`] says what became of it, before more is taken.
    pub(super) fn take_outgoing(&mut self) -> Vec<Bytes> {
        self.in_flight.appending();
        std::mem::take(&mut self.outgoing)
    }

    /// What was taken is on the log: from now on it must come back.
    pub(super) fn appended(&mut self, uptime: Duration) {
        self.in_flight.appended(uptime);
    }

    /// Takes note of a record that was read back, after the replica took it.
    pub(crate) fn observe(
        &mut self,
        entry: &Decoded,
        verdict: Verdict,
        replica: &Replica,
        uptime: Duration,
    ) -> Observation {
        let observation = self.leadership.observe(entry.header(), entry.hash, verdict, &replica.admission);
        match observation {
            Observation::Admitted { hash } => {
                self.falls = 0;
                self.in_flight.admitted(hash);
            }
            Observation::Elected(_) => self.in_flight.admitted(entry.hash),
            Observation::SteppedDown(why) => self.fall(&why.to_string(), Appending::Unknown, uptime),
            Observation::MustResign(_) => self.fall("a claim came too late", Appending::Unknown, uptime),
            Observation::Nothing => {}
        }
        if verdict == Verdict::Elected {
            // Why this process does not lead, is no reason why nobody does.
            self.reason.clear();
        }
        observation
    }

    /// Asks for the next term, unless it leads, waits for an earlier claim, or is barred.
    pub(super) fn claim(&mut self, admitted: &Admission, clock: &Clock) {
        let stamp = self.stamp(clock);
        if let Some(claim) = self.leadership.claim(admitted, clock.id(), clock.id(), stamp) {
            self.claimed_as = self.leadership.tenure().map(|tenure| tenure.writer);
            let hash = Hash::of(&claim);
            self.send(claim, hash);
        }
    }

    /// The own claim was admitted: decisions start from the replica's state.
    pub(crate) fn open(&mut self, replica: &Replica, advertise_url: &str, clock: &Clock) {
        self.staged = replica.state.clone();
        self.log_id = replica.admission.log_id.unwrap_or_default();
        self.reason = String::new();
        let stamp = self.stamp(clock);
        let decided_at = stamp.decided_at;
        if let Ok(staged) = self.leadership.open(advertise_url.to_owned(), stamp) {
            let elected =
                |Tenure { term, writer, .. }| WriterElected { term, writer, advertise_url: advertise_url.to_owned() };
            self.staged.elected = self.leadership.tenure().map(elected);
            self.staged.now = decided_at;
            self.send(staged.bytes, staged.hash);
        }
    }

    /// Gives the term up, once all that is staged is appended.
    pub(super) fn resign(&mut self, clock: &Clock) {
        let stamp = self.stamp(clock);
        if let Ok(staged) = self.leadership.resign(stamp) {
            self.send(staged.bytes, staged.hash);
        }
    }

    /// Gives a term up that was won by a claim that had been given up on.
    pub(crate) fn resign_late(&mut self, tenure: Tenure, replica: &Replica, clock: &Clock) {
        let stamp = Stamp { decided_at: replica.state.now, ..self.stamp(clock) };
        self.outgoing.push(Leadership::resignation(tenure, &replica.admission, stamp));
    }

    fn stamp(&self, clock: &Clock) -> Stamp {
        Stamp { command_id: clock.id(), decided_at: self.log_time(clock), actor: system("writer") }
    }

    /// Log time for the next decision: wall time, but never before the last one.
    pub(super) fn log_time(&self, clock: &Clock) -> LogTime {
        clock.now().max(self.staged.now)
    }

    /// Whether it is time to claim anew.
    pub(super) fn may_claim(&self, uptime: Duration, backoff: &[Duration]) -> bool {
        let pause = backoff.get(self.falls.clamp(1, backoff.len()) - 1).copied().unwrap_or_default();
        self.leadership.is_following() && uptime.saturating_sub(self.down_since) >= pause
    }

    /// Whether the writer that leads is this process, as it was before a doubt.
    pub(super) fn was(&self, holder: Option<Uuid>) -> bool {
        holder.is_some() && holder == self.claimed_as
    }

    /// Since when the oldest record that was not read back is on the log.
    pub(super) fn unread_since(&self) -> Option<Duration> {
        self.in_flight.unread_since()
    }

    /// Doubt: nothing that is staged is believed any more, and whoever waits is told what is known of his record.
    pub(super) fn doubt(&mut self, reason: &str, appending: Appending, uptime: Duration) {
        self.leadership.step_down();
        self.fall(reason, appending, uptime);
    }

    /// The history cannot be folded any further: this process never writes again.
    pub(crate) fn bar(&mut self, reason: &str) {
        self.leadership.bar();
        self.fall(reason, Appending::Unknown, self.down_since);
    }

    fn fall(&mut self, reason: &str, appending: Appending, uptime: Duration) {
        reason.clone_into(&mut self.reason);
        (self.falls, self.down_since) = (self.falls + 1, uptime);
        self.outgoing.clear();
        self.in_flight.fail(reason, appending);
    }

    /// Why nobody writes here.
    pub(super) fn no_writer(&self) -> WriteError {
        let reason = match &*self.reason {
            "" if self.is_shared => "no replica leads, or it was not read yet which one",
            "" => "not elected yet",
            reason => reason,
        };
        WriteError::NoWriter(reason.to_owned())
    }
}

/// The rows that an answer to this command shows.
fn left(state: &State, command: &Command) -> Option<Arc<State>> {
    let row = |llm: Option<&Name>, agent: Option<&Name>| state.part(llm, agent, None);
    let left = match command {
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
        Command::CreateProject(create) => state.part_of_document::<ProjectDefinition>(&create.name),
        Command::PutProject(put) => state.part_of_document::<ProjectDefinition>(&put.name),
        Command::CreatePersonality(create) => state.part_of_document::<PersonalityDefinition>(&create.name),
        Command::PutPersonality(put) => state.part_of_document::<PersonalityDefinition>(&put.name),
        Command::CreatePrompt(create) => state.part_of_document::<PromptDefinition>(&create.name),
        Command::PutPrompt(put) => state.part_of_document::<PromptDefinition>(&put.name),
        Command::SwitchAgent(switch) => row(None, Some(&switch.name)),
        _ => return None,
    };
    Some(Arc::new(left))
}
