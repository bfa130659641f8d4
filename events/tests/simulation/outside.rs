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
    event::{Body, Event, Subject, registry::WriterElected},
    hash::Hash,
    record::{Header, Record, RecordKind, VERSION},
};
use uuid::Uuid;

const OTHER_LOG: Uuid = Uuid::from_u128(u128::MAX);

impl<P: Protocol> World<'_, P> {
    /// A process that was pointed at the wrong log claims what is the next term of its own, and opens it.
    pub fn meet_a_stranger(&mut self) -> Check {
        if self.calm || self.rng.chance(500) {
            return Ok(());
        }
        self.count("met a stranger");
        let term = (self.judged.term + 1).max(2);
        let (writer, command_id) = (self.id(), self.id());
        let claim = self.of_another_log(RecordKind::Claim, term, writer, Vec::new(), command_id);
        let body = Body::WriterElected(WriterElected { term, writer, advertise_url: String::new() });
        let event = Event { subject: Subject::Registry(OTHER_LOG), body };
        let opening = self.of_another_log(RecordKind::Commit, term, writer, vec![event], command_id);
        self.land(claim)?;
        self.land(opening)
    }

    fn of_another_log(
        &mut self,
        kind: RecordKind,
        term: u64,
        writer: Uuid,
        events: Vec<Event>,
        command_id: Uuid,
    ) -> Bytes {
        let header = Header {
            v: VERSION,
            log_id: OTHER_LOG,
            term,
            writer,
            kind,
            first_sequence: self.judged.last_sequence + 1,
            count: events.len() as u64,
            prev_hash: Hash::of(b"the head of another log"),
        };
        let stamp = self.stamp();
        let (decided_at, actor) = (stamp.decided_at, stamp.actor);
        Record { header, command_id, idempotency: None, decided_at, actor, events }.encode()
    }

    /// A commit that was edited in place does not go unnoticed, unless it is the last one.
    pub fn check_tampering(&mut self) -> Check {
        let committed = |at: &usize| self.log[*at].verdict == Verdict::Committed;
        let commits: Vec<usize> = (0..self.log.len()).filter(committed).collect();
        let Some((_, earlier)) = commits.split_last().filter(|(_, earlier)| !earlier.is_empty()) else {
            return Ok(());
        };
        let edited = self.rng.pick(earlier);
        let mut admission = Admission::default();
        for (at, landed) in self.log.iter().enumerate() {
            let mut bytes = landed.bytes.to_vec();
            if at == edited {
                let text = String::from_utf8(bytes).unwrap();
                bytes = text.replace("system/writer", "system/wroter").into_bytes();
            }
            let header = judge::header(self.mutant, &bytes);
            let verdict = P::admit(self.mutant, &mut admission, header.as_ref(), Hash::of(&bytes));
            if matches!(verdict, Verdict::Fatal(_)) {
                self.count("noticed an edit");
                return Ok(());
            }
        }
        ensure!(false, "the history was edited, and nobody noticed");
        Ok(())
    }
}
