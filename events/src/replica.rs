//! What one process knows from the log: admission and fold, record by record.

use crate::{
    admission::{Admission, Fatal, Verdict},
    event::Event,
    evolve::evolve,
    hash::Hash,
    log::{Entry, EventLog, Position},
    record::{DecodeError, Header, Idempotency, Record},
    state::State,
    time::LogTime,
};
use serde::{Deserialize, Serialize};

/// An entry of the log, hashed and read. Making one is the expensive half of a replay and needs no order.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Its place in the log.
    pub position: Position,
    /// Hash of its exact bytes.
    pub hash: Hash,
    /// The record, as far as it could be read.
    pub record: Result<Record, DecodeError>,
}

impl Decoded {
    /// Hashes and reads an entry.
    pub fn new(entry: &Entry) -> Self {
        Self { position: entry.position, hash: Hash::of(&entry.bytes), record: Record::decode(&entry.bytes) }
    }

    /// What admission reads of it.
    pub fn header(&self) -> Option<&Header> {
        match &self.record {
            Ok(record) => Some(&record.header),
            Err(DecodeError::UnknownContent { header, .. }) => Some(header),
            Err(DecodeError::NotAnEnvelope) => None,
        }
    }
}

/// Why a replica went no further. It is not ready then, and never claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The history was altered.
    #[error(transparent)]
    Altered(#[from] Fatal),
    /// A record that was admitted cannot be read: a newer version wrote it.
    #[error("{0}; run the newer version that wrote it; if there is none, it was altered")]
    Unreadable(DecodeError),
    /// A record is lost, in a log in which none can be.
    #[error(
        "the log is damaged after sequence {after}: a record there is missing or no record; restore the log from a \
         backup, or go on with a new log made of what comes before"
    )]
    Damaged {
        /// The last sequence that is whole.
        after: u64,
    },
}

/// Admission and state after the records so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// Place of the last record.
    pub position: Position,
    /// Hash of the last record, admitted or not.
    pub last_hash: Option<Hash>,
    /// Who may write what comes next.
    pub admission: Admission,
    /// The registry.
    pub state: State,
    #[serde(skip)]
    stopped: Option<Stopped>,
    #[serde(skip)]
    one_appender: bool,
}

impl Replica {
    /// The same, going on with this log.
    #[must_use]
    pub fn on(self, log: &dyn EventLog) -> Self {
        Self { one_appender: log.has_one_appender(), ..self }
    }

    /// Takes the next record of the log. Once stopped, it stays where it is.
    ///
    /// # Errors
    /// Why it stopped: now or earlier.
    pub fn apply(&mut self, entry: &Decoded) -> Result<Verdict, Stopped> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        // On a copy: admission never goes further than the fold.
        let mut admission = self.admission.clone();
        let verdict = admission.admit(entry.header(), entry.hash);
        match (verdict, &entry.record) {
            (Verdict::Rejected(why), _) if self.one_appender && why.is_damage() => {
                return Err(self.stop(Stopped::Damaged { after: self.admission.last_sequence }));
            }
            (Verdict::Rejected(_), _) => {}
            (Verdict::Fatal(fatal), _) => return Err(self.stop(fatal.into())),
            (_, Err(unreadable)) => return Err(self.stop(Stopped::Unreadable(unreadable.clone()))),
            (Verdict::Committed, Ok(record)) => fold(&mut self.state, record),
            // What is not chained and has no sequence changes nothing, whatever it holds.
            (_, Ok(_)) => {}
        }
        self.admission = admission;
        self.position = entry.position;
        self.last_hash = Some(entry.hash);
        Ok(verdict)
    }

    /// Why it went no further, if it did.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    fn stop(&mut self, stopped: Stopped) -> Stopped {
        self.stopped = Some(stopped.clone());
        stopped
    }
}

/// Applies all events of a record.
pub fn fold(state: &mut State, record: &Record) {
    fold_commit(state, record.decided_at, &record.events, record.idempotency.as_ref(), record.header.first_sequence);
}

/// Applies what a commit holds. The writer does it to what it has staged, before there is a record to read.
pub fn fold_commit(
    state: &mut State,
    decided_at: LogTime,
    events: &[Event],
    idempotency: Option<&Idempotency>,
    first_sequence: u64,
) {
    for event in events {
        evolve(state, decided_at, event);
    }
    if let Some(idempotency) = idempotency {
        state.keys.remember(idempotency, first_sequence, decided_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Actor, RecordKind, VERSION};
    use crate::{name::Name, time::LogTime};
    use bytes::Bytes;
    use uuid::Uuid;

    const LOG: Uuid = Uuid::from_u128(1);
    const WRITER: Uuid = Uuid::from_u128(2);

    fn record(kind: RecordKind, term: u64, writer: Uuid) -> String {
        let header =
            Header { v: VERSION, log_id: LOG, term, writer, kind, first_sequence: 1, count: 0, prev_hash: Hash::NONE };
        let actor = Actor::System(Name::parse("writer").unwrap());
        let (command_id, decided_at) = (Uuid::from_u128(3), LogTime::from_millis(1));
        let record = Record { header, command_id, idempotency: None, decided_at, actor, events: Vec::new() };
        String::from_utf8(record.encode().to_vec()).unwrap()
    }

    fn entry(position: u64, text: &str) -> Decoded {
        Decoded::new(&Entry { position: Position(position), bytes: Bytes::copy_from_slice(text.as_bytes()) })
    }

    #[test]
    fn an_admitted_record_of_a_newer_version_stops_the_fold_whatever_its_kind() {
        for kind in [RecordKind::Claim, RecordKind::Noop, RecordKind::Resign] {
            let mut replica = Replica::default();
            replica.apply(&entry(1, &record(RecordKind::Claim, 1, WRITER))).unwrap();
            let before = replica.clone();
            let (term, writer) = if kind == RecordKind::Claim { (2, Uuid::from_u128(9)) } else { (1, WRITER) };
            let newer = record(kind, term, writer).replace("\"v\":1", "\"v\":2");
            let stopped = replica.apply(&entry(2, &newer)).unwrap_err();
            assert!(matches!(stopped, Stopped::Unreadable(_)), "{kind:?}: {stopped}");
            assert_eq!(replica.admission, before.admission, "{kind:?}: admission waits for the fold");
            assert_eq!(replica.position, before.position, "{kind:?}");
            let known = entry(2, &record(kind, term, writer));
            assert_eq!(replica.apply(&known), Err(stopped), "{kind:?}: it stays where it is");
        }
    }

    #[test]
    fn a_rejected_record_of_a_newer_version_is_nobodys_business() {
        let mut replica = Replica::default();
        replica.apply(&entry(1, &record(RecordKind::Claim, 1, WRITER))).unwrap();
        let late = record(RecordKind::Noop, 1, Uuid::from_u128(9)).replace("\"v\":1", "\"v\":2");
        assert!(matches!(replica.apply(&entry(2, &late)), Ok(Verdict::Rejected(_))));
        assert_eq!(replica.position, Position(2));
    }

    #[test]
    fn only_a_commit_changes_the_registry() {
        let mut replica = Replica::default();
        replica.apply(&entry(1, &record(RecordKind::Claim, 1, WRITER))).unwrap();
        let before = replica.state.clone();
        let event = r#"{"type":"mcpctl.session.registered.v1","subject":"session/s",
            "data":{"userId":"019b5a00-0000-7000-8000-000000000009","user":"eve"}}"#;
        let forged = record(RecordKind::Noop, 1, WRITER)
            .replace("\"count\":0", "\"count\":1")
            .replace("\"events\":[]", &format!("\"events\":[{event}]"));
        let decoded = entry(2, &forged);
        assert!(decoded.record.is_ok(), "it is read: {:?}", decoded.record);
        replica.apply(&decoded).unwrap();
        assert_eq!(replica.state, before, "it is in no sequence and in no table, and so in no fold");
    }
}
