//! A log made of another one, from which something was erased: the same records under a new id, chained anew.

use crate::{
    event::{Body, Event, Subject, registry::Rewritten},
    hash::Hash,
    record::{Record, RecordKind},
};
use bytes::Bytes;
use uuid::Uuid;

/// Writes the records of a log as those of another one, in order. Its first commit says what it was made of, so that
/// every sequence is higher by one than it was.
#[derive(Debug)]
pub struct Rewriter {
    log_id: Uuid,
    of: Option<Rewritten>,
    last_sequence: u64,
    head: Hash,
}

impl Rewriter {
    /// Makes the log `log_id` of the one that `of` names.
    pub fn new(log_id: Uuid, of: Rewritten) -> Self {
        Self { log_id, of: Some(of), last_sequence: 0, head: Hash::NONE }
    }

    /// The bytes of the next record.
    pub fn write(&mut self, mut record: Record) -> Bytes {
        let is_commit = record.header.kind == RecordKind::Commit;
        if let Some(of) = self.of.take_if(|_| is_commit) {
            record.events.push(Event { subject: Subject::Registry(self.log_id), body: Body::Rewritten(of) });
        }
        for event in &mut record.events {
            if let Subject::Registry(log) = &mut event.subject {
                *log = self.log_id;
            }
        }
        let header = &mut record.header;
        header.log_id = self.log_id;
        (header.first_sequence, header.prev_hash) = (self.last_sequence + 1, self.head);
        header.count = record.events.len() as u64;
        let bytes = record.encode();
        if is_commit {
            self.last_sequence += record.header.count;
            self.head = Hash::of(&bytes);
        }
        bytes
    }
}
