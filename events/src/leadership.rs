//! The protocol of one process that wants to write, shared by the server and by the simulation.
//!
//! Pure: ids and times come in, bytes to append go out, and every record read back is shown to it together with what
//! admission said of it. It knows no clock: whoever drives it decides when to claim and when to doubt.
//!
//! The rules, each of which the simulation cannot do without:
//! - A process claims as a follower only, always with a writer id that was never used before.
//! - It leads once it has read its own claim back admitted; its chain starts from what was admitted then.
//! - It acknowledges a record only after that record was read back admitted, in the order of staging.
//! - In doubt it drops what it staged and may only claim anew, even if it still holds the term: what it appended before
//!   may still land, and one (term, writer) must carry one chain.
//! - A claim that it gave up on may still win; then it resigns at once.

#[cfg(test)]
mod tests;

use crate::{
    admission::{Admission, Fatal, Rejected, Verdict},
    event::{Body, Event, Subject, registry::WriterElected},
    hash::Hash,
    record::{Actor, Header, Idempotency, MAX_RECORD_BYTES, Record, RecordKind, VERSION},
    time::LogTime,
};
use bytes::Bytes;
use std::{collections::VecDeque, mem};
use uuid::Uuid;

/// A term and the writer that asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// The log that the term is of.
    pub log_id: Uuid,
    /// The term.
    pub term: u64,
    /// The writer, fresh for each claim.
    pub writer: Uuid,
}

impl Tenure {
    /// Whether a record is of this writer in this term.
    pub fn wrote(&self, record: &Header) -> bool {
        record.term == self.term && record.writer == self.writer
    }
}

/// Who wrote a record, when, and under which command id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Names the command, for whoever waits for it.
    pub command_id: Uuid,
    /// Log time of the decision; the caller keeps it from going back.
    pub decided_at: LogTime,
    /// Who caused it.
    pub actor: Actor,
}

/// A commit to be staged.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Who, when and which command.
    pub stamp: Stamp,
    /// The client's key, if it sent one.
    pub idempotency: Option<Idempotency>,
    /// What happened; at least one event.
    pub events: Vec<Event>,
}

/// A record to be appended, after all that were staged before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its exact bytes.
    pub bytes: Bytes,
    /// Their hash, by which it is known when it is read back.
    pub hash: Hash,
    /// Sequence of its first event.
    pub first_sequence: u64,
    /// Sequence of its last event; for a record without events, of the last one before it.
    pub last_sequence: u64,
}

/// Why nothing was staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Only a leader stages: after its opening commit, and before it resigned.
    #[error("this process does not lead")]
    NotLeading,
    /// A commit has at least one event.
    #[error("a commit without events")]
    NoEvents,
    /// The record would not fit on the log.
    #[error("the change makes a record of {bytes} bytes, the limit is {MAX_RECORD_BYTES}; split it into smaller ones")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
    },
}

/// What a record that was read back means to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Nothing.
    Nothing,
    /// The own claim won: call [`Leadership::open`], then stage.
    Elected(Tenure),
    /// The oldest record in flight was admitted: its command may be answered.
    Admitted {
        /// Hash of that record.
        hash: Hash,
    },
    /// This process follows now, and what it staged is dropped: whatever is in flight has an unknown outcome.
    SteppedDown(StepDown),
    /// A claim that was given up on has won: append [`Leadership::resignation`] at once. This process follows, and
    /// a newer claim of its own has lost.
    MustResign(Tenure),
}

/// Why a process no longer leads, or no longer hopes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepDown {
    /// It resigned, and the resignation was admitted.
    #[error("it resigned")]
    Resigned,
    /// It did not lead yet: a claim of another was read before its own.
    #[error("the claim of another was first")]
    ClaimLost,
    /// Another writer holds the term, or a later one.
    #[error("another writer was elected")]
    Superseded,
    /// A record of its own was rejected.
    #[error("a record of its own was rejected: {0:?}")]
    OwnRejected(Rejected),
    /// A record of its own is missing before one that came back.
    #[error("a record of its own is missing on the log")]
    OwnMissing,
    /// A record of a term that nobody claimed here: a claim was missed.
    #[error("a record of a later term is on the log, but not its claim")]
    LaterTerm,
    /// The history was altered.
    #[error("{0}")]
    Fatal(Fatal),
}

/// What one process knows about its own leadership.
#[derive(Debug, Default)]
pub struct Leadership {
    role: Role,
    given_up: Vec<Tenure>,
    barred: bool,
}

#[derive(Debug, Default)]
enum Role {
    #[default]
    Following,
    Claiming(Tenure),
    Leading(Chain),
}

/// What a leader has staged so far.
#[derive(Debug)]
struct Chain {
    tenure: Tenure,
    phase: Phase,
    last_sequence: u64,
    head: Hash,
    in_flight: VecDeque<Hash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Elected,
    Open,
    Resigning,
}

impl Leadership {
    /// Whether it neither leads nor waits for a claim of its own.
    pub fn is_following(&self) -> bool {
        matches!(self.role, Role::Following)
    }

    /// Whether a claim of its own is in flight.
    pub fn is_claiming(&self) -> bool {
        matches!(self.role, Role::Claiming(_))
    }

    /// Whether it leads and may stage: elected, opened, and not resigning.
    pub fn is_leading(&self) -> bool {
        matches!(&self.role, Role::Leading(chain) if chain.phase == Phase::Open)
    }

    /// Whether it was elected and [`Leadership::open`] comes next.
    pub fn must_open(&self) -> bool {
        matches!(&self.role, Role::Leading(chain) if chain.phase == Phase::Elected)
    }

    /// The term that it leads or claims.
    pub fn tenure(&self) -> Option<Tenure> {
        match &self.role {
            Role::Following => None,
            Role::Claiming(tenure) => Some(*tenure),
            Role::Leading(chain) => Some(chain.tenure),
        }
    }

    /// How many staged records were not read back yet.
    pub fn in_flight(&self) -> usize {
        if let Role::Leading(chain) = &self.role { chain.in_flight.len() } else { 0 }
    }

    /// Sequence of the last staged event, while it leads.
    pub fn staged_sequence(&self) -> Option<u64> {
        if let Role::Leading(chain) = &self.role { Some(chain.last_sequence) } else { None }
    }

    /// Never claims again: the history was altered, or holds what this version cannot read.
    pub fn bar(&mut self) {
        self.step_down();
        self.barred = true;
    }

    /// Asks for the next term; `None` unless it follows, or if it is barred.
    ///
    /// `writer` was never used before. `log_id_if_new` names the log if this is its first claim.
    pub fn claim(&mut self, admitted: &Admission, log_id_if_new: Uuid, writer: Uuid, stamp: Stamp) -> Option<Bytes> {
        if self.barred || !self.is_following() {
            return None;
        }
        let log_id = admitted.log_id.unwrap_or(log_id_if_new);
        let tenure = Tenure { log_id, term: admitted.term.checked_add(1)?, writer };
        self.role = Role::Claiming(tenure);
        Some(control(RecordKind::Claim, tenure, admitted.last_sequence, admitted.head, stamp))
    }

    /// Stages the first commit of the term, `writer_elected`; once, right after [`Observation::Elected`].
    pub fn open(&mut self, advertise_url: String, stamp: Stamp) -> Result<Staged, StageError> {
        let chain = self.chain(Phase::Elected)?;
        let Tenure { log_id, term, writer } = chain.tenure;
        let body = Body::WriterElected(WriterElected { term, writer, advertise_url });
        let events = vec![Event { subject: Subject::Registry(log_id), body }];
        let staged = chain.stage(Draft { stamp, idempotency: None, events })?;
        chain.phase = Phase::Open;
        Ok(staged)
    }

    /// Stages a commit. What is refused leaves no trace.
    pub fn stage(&mut self, draft: Draft) -> Result<Staged, StageError> {
        self.chain(Phase::Open)?.stage(draft)
    }

    /// Stages a read-back barrier.
    pub fn noop(&mut self, stamp: Stamp) -> Result<Staged, StageError> {
        Ok(self.chain(Phase::Open)?.stage_control(RecordKind::Noop, stamp))
    }

    /// Stages the end of the term; nothing can be staged after it, and what is in flight may still be admitted.
    pub fn resign(&mut self, stamp: Stamp) -> Result<Staged, StageError> {
        let chain = self.chain(Phase::Open)?;
        chain.phase = Phase::Resigning;
        Ok(chain.stage_control(RecordKind::Resign, stamp))
    }

    /// The record that ends a term which was won by a claim that had been given up on.
    pub fn resignation(tenure: Tenure, admitted: &Admission, stamp: Stamp) -> Bytes {
        control(RecordKind::Resign, tenure, admitted.last_sequence, admitted.head, stamp)
    }

    /// Doubt: an append failed, or nothing came back in time. Drops what is staged, and follows.
    pub fn step_down(&mut self) {
        if let Role::Claiming(tenure) = mem::take(&mut self.role) {
            self.given_up.push(tenure);
        }
    }

    /// Takes note of the next record of the log. `admitted` is the state after it, `verdict` what was said of it.
    pub fn observe(
        &mut self,
        header: Option<&Header>,
        hash: Hash,
        verdict: Verdict,
        admitted: &Admission,
    ) -> Observation {
        let observation = match (verdict, header) {
            (Verdict::Fatal(fatal), _) => {
                self.barred = true;
                self.fall(StepDown::Fatal(fatal))
            }
            (_, None) => Observation::Nothing,
            (Verdict::Elected, Some(claim)) => self.observe_election(claim, admitted),
            (_, Some(record)) => self.observe_other(record, hash, verdict, admitted),
        };
        self.given_up.retain(|claim| claim.term > admitted.term);
        observation
    }

    fn observe_election(&mut self, claim: &Header, admitted: &Admission) -> Observation {
        if let Role::Claiming(tenure) = self.role
            && tenure.wrote(claim)
        {
            self.role = Role::Leading(Chain::from_admitted(tenure, admitted));
            return Observation::Elected(tenure);
        }
        let fall = self.fall(if self.is_claiming() { StepDown::ClaimLost } else { StepDown::Superseded });
        match self.given_up.iter().find(|tenure| tenure.wrote(claim)) {
            Some(tenure) => Observation::MustResign(*tenure),
            None => fall,
        }
    }

    fn observe_other(&mut self, record: &Header, hash: Hash, verdict: Verdict, admitted: &Admission) -> Observation {
        let own = self.tenure().is_some_and(|tenure| tenure.wrote(record));
        match (verdict, &mut self.role) {
            (Verdict::Rejected(why), _) if own => self.fall(StepDown::OwnRejected(why)),
            (_, Role::Leading(chain)) if own => {
                if chain.in_flight.pop_front() != Some(hash) {
                    self.fall(StepDown::OwnMissing)
                } else if verdict == Verdict::Resigned {
                    self.fall(StepDown::Resigned)
                } else {
                    Observation::Admitted { hash }
                }
            }
            _ if admitted.log_id == Some(record.log_id) && record.term > admitted.term => {
                self.fall(StepDown::LaterTerm)
            }
            _ => Observation::Nothing,
        }
    }

    fn fall(&mut self, why: StepDown) -> Observation {
        if self.is_following() {
            return Observation::Nothing;
        }
        self.step_down();
        Observation::SteppedDown(why)
    }

    fn chain(&mut self, phase: Phase) -> Result<&mut Chain, StageError> {
        match &mut self.role {
            Role::Leading(chain) if chain.phase == phase => Ok(chain),
            _ => Err(StageError::NotLeading),
        }
    }
}

impl Chain {
    fn from_admitted(tenure: Tenure, admitted: &Admission) -> Self {
        Self {
            tenure,
            phase: Phase::Elected,
            last_sequence: admitted.last_sequence,
            head: admitted.head,
            in_flight: VecDeque::new(),
        }
    }

    fn stage(&mut self, draft: Draft) -> Result<Staged, StageError> {
        let count = draft.events.len() as u64;
        if count == 0 {
            return Err(StageError::NoEvents);
        }
        let bytes = commit(self.tenure, self.last_sequence, self.head, draft)?;
        let first_sequence = self.last_sequence + 1;
        self.last_sequence += count;
        let staged = self.fly(bytes, first_sequence);
        self.head = staged.hash;
        Ok(staged)
    }

    fn stage_control(&mut self, kind: RecordKind, stamp: Stamp) -> Staged {
        let bytes = control(kind, self.tenure, self.last_sequence, self.head, stamp);
        self.fly(bytes, self.last_sequence + 1)
    }

    fn fly(&mut self, bytes: Bytes, first_sequence: u64) -> Staged {
        let hash = Hash::of(&bytes);
        self.in_flight.push_back(hash);
        Staged { bytes, hash, first_sequence, last_sequence: self.last_sequence }
    }
}

/// The record of a commit behind `last_sequence`, where `head` is.
///
/// # Errors
/// It would not fit on the log.
pub fn commit(tenure: Tenure, last_sequence: u64, head: Hash, draft: Draft) -> Result<Bytes, StageError> {
    let header = header(RecordKind::Commit, tenure, last_sequence, draft.events.len() as u64, head);
    let bytes = encode(header, draft.idempotency, draft.stamp, draft.events);
    if bytes.len() > MAX_RECORD_BYTES { Err(StageError::TooLarge { bytes: bytes.len() }) } else { Ok(bytes) }
}

/// A record without events.
fn control(kind: RecordKind, tenure: Tenure, last_sequence: u64, head: Hash, stamp: Stamp) -> Bytes {
    encode(header(kind, tenure, last_sequence, 0, head), None, stamp, Vec::new())
}

fn header(kind: RecordKind, tenure: Tenure, last_sequence: u64, count: u64, head: Hash) -> Header {
    let Tenure { log_id, term, writer } = tenure;
    Header { v: VERSION, log_id, term, writer, kind, first_sequence: last_sequence + 1, count, prev_hash: head }
}

fn encode(header: Header, idempotency: Option<Idempotency>, stamp: Stamp, events: Vec<Event>) -> Bytes {
    let Stamp { command_id, decided_at, actor } = stamp;
    Record { header, command_id, idempotency, decided_at, actor, events }.encode()
}
