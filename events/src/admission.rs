//! Admission: the one rule that elects, fences zombies, catches holes and makes the history tamper-evident.
//!
//! A pure function over records in log order, the same on every replica and for every backend. It reads only the
//! [`Header`] of a record and its hash.

#[cfg(test)]
mod tests;

use crate::{
    hash::Hash,
    record::{Header, RecordKind},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What admission knows after the records so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// Fixed by the first admitted claim.
    pub log_id: Option<Uuid>,
    /// The newest term; 0 before the first claim.
    pub term: u64,
    /// The writer of that term, until it resigns.
    pub holder: Option<Uuid>,
    /// Sequence of the last admitted event; 0 before the first.
    pub last_sequence: u64,
    /// Hash of the last admitted commit.
    pub head: Hash,
}

/// What admission says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A claim that won: its writer holds its term.
    Elected,
    /// A commit whose events are now history.
    Committed,
    /// The holder's read-back barrier.
    Barrier,
    /// The holder gave up its term.
    Resigned,
    /// The record changes nothing.
    Rejected(Rejected),
    /// The history was altered: this replica stops and never claims.
    Fatal(Fatal),
}

/// Why a record changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Not a record.
    NotAnEnvelope,
    /// A record of another log.
    OtherLog,
    /// A claim of a term that is not the next.
    LostClaim,
    /// From a writer that does not hold the term.
    NotTheHolder,
    /// From a term that was never claimed here: a claim was missed. Raise an alarm.
    UnknownTerm,
    /// A commit that does not follow the last one: a hole before it, or a copy.
    OutOfSequence,
}

impl Rejected {
    /// Whether no writer can have left such a record behind, on a log with one appender at a time.
    pub fn is_damage(self) -> bool {
        match self {
            Self::NotAnEnvelope | Self::OtherLog | Self::UnknownTerm | Self::OutOfSequence => true,
            Self::LostClaim | Self::NotTheHolder => false,
        }
    }
}

/// How the history was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The next commit of the holder does not name the hash of the last one.
    #[error("hash chain broken at sequence {sequence}")]
    BrokenChain {
        /// First sequence of the commit that does not fit.
        sequence: u64,
    },
}

impl Default for Admission {
    fn default() -> Self {
        Self { log_id: None, term: 0, holder: None, last_sequence: 0, head: Hash::NONE }
    }
}

impl Admission {
    /// Judges the next record of the log and takes its effect. `hash` is that of its exact bytes.
    ///
    /// `header` is `None` for what is no envelope.
    pub fn admit(&mut self, header: Option<&Header>, hash: Hash) -> Verdict {
        let verdict = self.judge(header);
        match (verdict, header) {
            (Verdict::Elected, Some(claim)) => {
                self.log_id = Some(claim.log_id);
                self.term = claim.term;
                self.holder = Some(claim.writer);
            }
            (Verdict::Committed, Some(commit)) => {
                self.last_sequence += commit.count;
                self.head = hash;
            }
            (Verdict::Resigned, _) => self.holder = None,
            _ => {}
        }
        verdict
    }

    fn judge(&self, header: Option<&Header>) -> Verdict {
        let Some(record) = header else { return Verdict::Rejected(Rejected::NotAnEnvelope) };
        if self.log_id.is_some_and(|id| id != record.log_id) {
            return Verdict::Rejected(Rejected::OtherLog);
        }
        if record.kind == RecordKind::Claim {
            let next = self.term.checked_add(1) == Some(record.term);
            return if next { Verdict::Elected } else { Verdict::Rejected(Rejected::LostClaim) };
        }
        if record.term > self.term {
            return Verdict::Rejected(Rejected::UnknownTerm);
        }
        if record.term != self.term || self.holder != Some(record.writer) {
            return Verdict::Rejected(Rejected::NotTheHolder);
        }
        match record.kind {
            RecordKind::Commit => self.judge_commit(record),
            RecordKind::Resign => Verdict::Resigned,
            RecordKind::Noop | RecordKind::Claim => Verdict::Barrier,
        }
    }

    fn judge_commit(&self, commit: &Header) -> Verdict {
        // Databases count to `i64::MAX`; no honest writer gets there.
        let fits = self.last_sequence.checked_add(commit.count).is_some_and(|last| last < i64::MAX as u64);
        if !fits || commit.first_sequence != self.last_sequence + 1 {
            Verdict::Rejected(Rejected::OutOfSequence)
        } else if commit.prev_hash == self.head {
            Verdict::Committed
        } else {
            Verdict::Fatal(Fatal::BrokenChain { sequence: commit.first_sequence })
        }
    }
}
