//! Those who are no part of the registry: a writer of another log, and a hand that edits the history.

use crate::{
    history::{Check, ensure},
    judge,
    protocol::Protocol,
    world::World,
};
use bytes::Bytes;
use mcpctl_events::{
    admission::{Admission, Verdict},
    event::{
        Body, Event, Subject,
        registry::{ExpiryResumed, WriterElected},
    },
    hash::Hash,
    leadership::{Stamp, Tenure},
    record::{Header, Record, RecordKind, VERSION},
};
use uuid::Uuid;

const OTHER_LOG: Uuid = Uuid::from_u128(u128::MAX);
/// A writer that no process ever was.
pub const IMPOSTOR: Uuid = Uuid::from_u128(u128::MAX - 1);

impl<P: Protocol> World<'_, P> {
    /// Somebody who is no part of the registry writes to its log.
    pub fn meet_an_outsider(&mut self) -> Check {
        if self.calm {
            return Ok(());
        }
        match self.rng.below(4) {
            0 | 1 => Ok(()),
            2 => self.meet_a_stranger(),
            _ => self.meet_an_impostor(),
        }
    }

    /// A process that was pointed at the wrong log claims what is the next term of its own, and opens it.
    fn meet_a_stranger(&mut self) -> Check {
        self.count("met a stranger");
        let term = (self.judged.term + 1).max(2);
        let head = Hash::of(b"the head of another log");
        let other = Tenure { log_id: OTHER_LOG, term, writer: self.id() };
        let claim = self.forge(RecordKind::Claim, other, head, Vec::new());
        let body = Body::WriterElected(WriterElected { term, writer: other.writer, advertise_url: String::new() });
        let event = Event { subject: Subject::Registry(OTHER_LOG), body };
        let opening = self.forge(RecordKind::Commit, other, head, vec![event]);
        self.land(claim)?;
        self.land(opening)
    }

    /// Somebody writes what fits the log, but in a term that is over under the name of who holds the one now, or in one
    /// that nobody has claimed.
    fn meet_an_impostor(&mut self) -> Check {
        let Admission { log_id, term, holder, head, .. } = self.judged;
        let Some(log_id) = log_id else { return Ok(()) };
        self.count("met an impostor");
        let over = holder.filter(|_| term > 1 && self.rng.chance(500));
        let tenure = match over {
            Some(writer) => Tenure { log_id, term: term - 1, writer },
            None => Tenure { log_id, term: term + 1, writer: IMPOSTOR },
        };
        let body = Body::ExpiryResumed(ExpiryResumed { sweep_id: self.id() });
        let event = Event { subject: Subject::Registry(log_id), body };
        let forged = self.forge(RecordKind::Commit, tenure, head, vec![event]);
        self.land(forged)
    }

    fn forge(&mut self, kind: RecordKind, tenure: Tenure, prev_hash: Hash, events: Vec<Event>) -> Bytes {
        let Tenure { log_id, term, writer } = tenure;
        let (first_sequence, count) = (self.judged.last_sequence + 1, events.len() as u64);
        let header = Header { v: VERSION, log_id, term, writer, kind, first_sequence, count, prev_hash };
        let Stamp { command_id, decided_at, actor } = self.stamp();
        Record { header, command_id, idempotency: None, decided_at, actor, events }.encode()
    }

    /// A commit that was edited in place does not go unnoticed, unless it is the last one, and who noticed never claims.
    pub fn check_tampering(&mut self) -> Check {
        let committed = |at: &usize| self.log[*at].verdict == Verdict::Committed;
        let commits: Vec<usize> = (0..self.log.len()).filter(committed).collect();
        let Some((_, earlier)) = commits.split_last().filter(|(_, earlier)| !earlier.is_empty()) else {
            return Ok(());
        };
        let edited = self.rng.pick(earlier);
        let (mut admission, mut protocol) = (Admission::default(), P::new(self.mutant));
        for (at, landed) in self.log.iter().enumerate() {
            let mut bytes = landed.bytes.to_vec();
            if at == edited {
                let text = String::from_utf8(bytes).unwrap();
                bytes = text.replace("system/writer", "system/wroter").into_bytes();
            }
            let header = judge::header(self.mutant, &bytes);
            let verdict = P::admit(self.mutant, &mut admission, header.as_ref(), Hash::of(&bytes));
            protocol.observe(header.as_ref(), Hash::of(&bytes), verdict, &admission);
            if matches!(verdict, Verdict::Fatal(_)) {
                self.count("noticed an edit");
                let claim = protocol.claim(&admission, Uuid::nil(), self.id(), self.stamp());
                ensure!(claim.is_none(), "it claims on top of a history that was altered");
                return Ok(());
            }
        }
        ensure!(false, "the history was edited, and nobody noticed");
        Ok(())
    }
}
