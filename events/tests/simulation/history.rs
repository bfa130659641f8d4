//! What must hold whatever happens, told from the records alone and not from what admission remembers.

use crate::outside::IMPOSTOR;
use bytes::Bytes;
use mcpctl_events::{
    admission::{Rejected, Verdict},
    event::Body,
    hash::Hash,
    record::{Header, Record, RecordKind},
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What went wrong.
pub type Check = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// A record that landed.
pub struct Landed {
    pub header: Option<Header>,
    pub hash: Hash,
    pub bytes: Bytes,
    pub record: Option<Record>,
    pub verdict: Verdict,
}

impl Landed {
    /// The command that a commit carries out, and whether the commit opens a term.
    pub fn command(&self) -> Option<Uuid> {
        match &self.record.as_ref()?.events.first()?.body {
            Body::ExpiryResumed(event) => Some(event.sweep_id),
            _ => None,
        }
    }

    fn opens(&self) -> bool {
        let Some(record) = &self.record else { return false };
        let (term, writer) = (record.header.term, record.header.writer);
        record.events.first().is_some_and(
            |event| matches!(&event.body, Body::WriterElected(by) if by.term == term && by.writer == writer),
        )
    }
}

/// The admitted history.
#[derive(Default)]
pub struct History {
    pub log_id: Option<Uuid>,
    pub last_sequence: u64,
    pub head: Option<Hash>,
    /// Sequence of each command's first event.
    pub commands: BTreeMap<Uuid, u64>,
    /// Every term was of one writer.
    terms: BTreeMap<u64, Uuid>,
    tenure: Option<(u64, Uuid)>,
    opened: bool,
    seen: BTreeSet<Hash>,
}

impl History {
    pub fn note(&mut self, landed: &Landed) -> Check {
        let copy = !self.seen.insert(landed.hash);
        let Some(record) = &landed.header else {
            ensure!(matches!(landed.verdict, Verdict::Rejected(_)), "no envelope, yet {:?}", landed.verdict);
            return Ok(());
        };
        let own = self.tenure == Some((record.term, record.writer));
        match landed.verdict {
            Verdict::Elected => self.elected(record),
            Verdict::Fatal(fatal) => Err(format!("a legal schedule is fatal: {fatal}")),
            Verdict::Rejected(why) if self.log_id == Some(record.log_id) && record.kind == RecordKind::Commit => {
                let (alarm, reason) = (why == Rejected::UnknownTerm, record.writer == IMPOSTOR);
                ensure!(alarm == reason, "an alarm without a reason, or none where there is one");
                self.wronged(landed, own, copy, why)
            }
            Verdict::Rejected(why) => self.wronged(landed, own, copy, why),
            Verdict::Committed => {
                ensure!(own, "a commit of {} in term {} while {:?} holds", record.writer, record.term, self.tenure);
                self.committed(landed, record)
            }
            Verdict::Barrier | Verdict::Resigned => {
                ensure!(own, "{:?} of one that does not hold the term", record.kind);
                if record.kind == RecordKind::Resign {
                    self.tenure = None;
                }
                Ok(())
            }
        }
    }

    fn wronged(&self, landed: &Landed, own: bool, copy: bool, why: Rejected) -> Check {
        let wronged = own && landed.opens() && !self.opened && !copy;
        ensure!(!wronged, "the holder's opening commit was rejected: {why:?}");
        Ok(())
    }

    fn elected(&mut self, claim: &Header) -> Check {
        let log_id = *self.log_id.get_or_insert(claim.log_id);
        ensure!(claim.log_id == log_id, "a claim of another log won");
        let newest = self.terms.keys().next_back().copied().unwrap_or_default();
        ensure!(claim.term > newest, "term {} was won after term {newest}", claim.term);
        self.terms.insert(claim.term, claim.writer);
        self.tenure = Some((claim.term, claim.writer));
        self.opened = false;
        Ok(())
    }

    fn committed(&mut self, landed: &Landed, commit: &Header) -> Check {
        ensure!(self.log_id == Some(commit.log_id), "a commit of another log was admitted");
        let events = landed.record.as_ref().map_or(0, |record| record.events.len() as u64);
        ensure!(events == commit.count, "{events} events of {} can be read", commit.count);
        let next = self.last_sequence + 1;
        ensure!(commit.first_sequence == next, "a commit at {}, not at {next}", commit.first_sequence);
        ensure!(commit.prev_hash == self.head.unwrap_or(Hash::NONE), "the chain is broken at {next}");
        ensure!(self.opened || landed.opens(), "the first commit of the term is not writer_elected");
        ensure!(!self.opened || !landed.opens(), "the term was opened twice");
        self.opened = true;
        if let Some(command) = landed.command() {
            ensure!(self.commands.insert(command, next).is_none(), "command {command} was done twice");
        }
        self.last_sequence += events;
        self.head = Some(landed.hash);
        Ok(())
    }
}
