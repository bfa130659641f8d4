//! What one process knows from the log: admission and fold, record by record.

use crate::{
    admission::{Admission, Fatal, Verdict},
    evolve::evolve,
    hash::Hash,
    log::{Entry, Position},
    record::{DecodeError, Header, Record},
    state::State,
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
    #[error("{0}; run a newer version")]
    Unreadable(DecodeError),
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
}

impl Replica {
    /// Takes the next record of the log. Once stopped, it stays where it is.
    ///
    /// # Errors
    /// Why it stopped: now or earlier.
    pub fn apply(&mut self, entry: &Decoded) -> Result<Verdict, Stopped> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        let verdict = self.admission.admit(entry.header(), entry.hash);
        match (verdict, &entry.record) {
            (Verdict::Fatal(fatal), _) => return Err(self.stop(fatal.into())),
            (Verdict::Committed, Err(unreadable)) => return Err(self.stop(Stopped::Unreadable(unreadable.clone()))),
            (Verdict::Committed, Ok(record)) => self.fold(record),
            _ => {}
        }
        self.position = entry.position;
        self.last_hash = Some(entry.hash);
        Ok(verdict)
    }

    /// Why it went no further, if it did.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    fn fold(&mut self, record: &Record) {
        fold(&mut self.state, record);
    }

    fn stop(&mut self, stopped: Stopped) -> Stopped {
        self.stopped = Some(stopped.clone());
        stopped
    }
}

/// Applies all events of a record. The writer does the same to what it has staged.
pub fn fold(state: &mut State, record: &Record) {
    for event in &record.events {
        evolve(state, record.decided_at, event);
    }
    if let Some(idempotency) = &record.idempotency {
        state.keys.remember(idempotency, record.header.first_sequence, record.decided_at);
    }
}
