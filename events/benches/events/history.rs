//! A log as its writer would have written it.

use crate::workload::{Publisher, id, name};
use bytes::Bytes;
use mcpctl_events::{
    command::Command,
    decide::{Context, Quotas, decide},
    event::Event,
    hash::Hash,
    log::{Entry, Position},
    record::{Actor, Header, Record, RecordKind, VERSION},
    replica::{Decoded, Replica},
    time::LogTime,
};
use std::time::Duration;

/// Records of one writer, and what they add up to.
pub struct History {
    pub records: Vec<Bytes>,
    pub replica: Replica,
    now: LogTime,
}

impl History {
    pub fn begin() -> Self {
        let (records, replica) = (Vec::new(), Replica::default());
        let mut history = Self { records, replica, now: LogTime::from_millis(1_800_000_000_000) };
        history.write(RecordKind::Claim, Vec::new());
        history
    }

    /// `publishers` that register and open a stream, two rows each.
    pub fn of_publishers(publishers: u32) -> Self {
        let mut history = Self::begin();
        for publisher in (0..publishers).map(Publisher::number) {
            history.run(&publisher.register(0));
            history.run(&publisher.connect());
        }
        history
    }

    /// All of them lose their stream, come back and declare something new: eight events each.
    pub fn round(&mut self, publishers: u32, round: u32) {
        let epoch = u64::from(round);
        for publisher in (0..publishers).map(Publisher::number) {
            self.run(&publisher.disconnect(epoch));
            self.run(&publisher.deactivate(epoch));
            self.run(&publisher.connect());
            self.run(&publisher.register(round));
        }
    }

    pub fn context(&self) -> Context {
        Context { now: self.now, log_id: id(6, 1), quotas: Quotas::NONE }
    }

    pub fn events(&self) -> u32 {
        u32::try_from(self.replica.admission.last_sequence).unwrap_or(u32::MAX)
    }

    pub fn bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }

    fn run(&mut self, command: &Command) {
        self.now = self.now.plus(Duration::from_millis(7));
        let events = decide(&self.replica.state, command, self.context()).expect("nothing here is refused");
        assert!(!events.is_empty(), "{command:?}");
        self.write(RecordKind::Commit, events);
    }

    fn write(&mut self, kind: RecordKind, events: Vec<Event>) {
        let header = Header {
            v: VERSION,
            log_id: id(6, 1),
            term: 1,
            writer: id(7, 1),
            kind,
            first_sequence: self.replica.admission.last_sequence + 1,
            count: events.len() as u64,
            prev_hash: if kind == RecordKind::Commit { self.replica.admission.head } else { Hash::NONE },
        };
        let number = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let actor = Actor::User(name("user-1"));
        let command_id = id(8, number);
        let record = Record { header, command_id, idempotency: None, decided_at: self.now, actor, events };
        let bytes = record.encode();
        let entry = Entry { position: Position(self.records.len() as u64 + 1), bytes: bytes.clone() };
        self.replica.apply(&Decoded::new(&entry)).expect("an honest history");
        self.records.push(bytes);
    }
}
