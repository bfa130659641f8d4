//! The record on the log: one command, all its events, as JSON bytes.

use crate::{event::Event, hash::Hash, name::Name, time::LogTime};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The version of the envelope that this code writes.
pub const VERSION: u32 = 1;
/// Largest record in bytes; Kafka's usual 1 MiB with room for its own overhead.
pub const MAX_RECORD_BYTES: usize = 900 * 1000;
/// Most events in a record of a mass change (sweep, disconnect, heartbeat).
pub const MAX_EVENTS_OF_A_MASS_CHANGE: usize = 500;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// Asks for the next term.
    Claim,
    /// Events.
    Commit,
    /// A read-back barrier.
    Noop,
    /// Gives the term up.
    Resign,
}

/// The part of a record that admission reads. These names and meanings are frozen for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Version of the envelope.
    pub v: u32,
    /// The log that the record belongs to.
    pub log_id: Uuid,
    /// The writer's term.
    pub term: u64,
    /// The writer, fresh for each claim.
    pub writer: Uuid,
    /// What the record is for.
    pub kind: RecordKind,
    /// Sequence of the first event.
    pub first_sequence: u64,
    /// Number of events.
    pub count: u64,
    /// Hash of the last admitted commit.
    pub prev_hash: Hash,
}

impl Header {
    /// Reads the header alone and ignores the rest; `None` if the bytes are no envelope.
    ///
    /// A commit without events is no envelope.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        object(bytes).and_then(|object| serde_json::from_slice::<Self>(object).ok()).filter(Self::is_envelope)
    }

    fn is_envelope(&self) -> bool {
        self.kind != RecordKind::Commit || self.count > 0
    }
}

/// Who caused a record: `user/<name>` or `system/<part>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person or program with a token.
    User(Name),
    /// A part of the server.
    System(Name),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user/{name}"),
            Self::System(part) => write!(f, "system/{part}"),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
        let Text(text) = Text::deserialize(deserializer)?;
        let (kind, name) =
            text.split_once('/').ok_or_else(|| D::Error::custom("an actor is `user/…` or `system/…`"))?;
        let name = Name::parse(name).map_err(D::Error::custom)?;
        match kind {
            "user" => Ok(Self::User(name)),
            "system" => Ok(Self::System(name)),
            _ => Err(D::Error::custom("an actor is `user/…` or `system/…`")),
        }
    }
}

/// A client's key, remembered so that the same command is not done twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Idempotency {
    /// `<user>\n<route>\n<key>`: a key counts per user and route.
    pub key: String,
    /// Hash of the request's body.
    pub request_hash: Hash,
}

/// One record of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What admission reads.
    pub header: Header,
    /// Names the command, for whoever waits for it.
    pub command_id: Uuid,
    /// The client's key, if it sent one.
    pub idempotency: Option<Idempotency>,
    /// Log time of the decision; never goes back.
    pub decided_at: LogTime,
    /// Who caused it.
    pub actor: Actor,
    /// What happened; empty but for commits.
    pub events: Vec<Event>,
}

/// The bytes on the log: the header's members and the others, side by side.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<H, A, E> {
    v: u32,
    log_id: Uuid,
    term: u64,
    writer: Uuid,
    kind: RecordKind,
    first_sequence: u64,
    count: u64,
    prev_hash: Hash,
    command_id: Uuid,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    idempotency: Option<H>,
    decided_at: LogTime,
    actor: A,
    events: E,
}

/// Why bytes could not be read as a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No envelope at all; admission rejects it.
    #[error("not a record")]
    NotAnEnvelope,
    /// An envelope with content that this version does not know; the fold stops there.
    #[error("record at sequence {sequence} cannot be read by this version: {reason}")]
    UnknownContent {
        /// What admission reads is known.
        header: Box<Header>,
        /// Its first sequence, for people.
        sequence: u64,
        /// The parser's words.
        reason: String,
    },
}

impl Record {
    /// The bytes to append.
    pub fn encode(&self) -> Bytes {
        let Header { v, log_id, term, writer, kind, first_sequence, count, prev_hash } = self.header.clone();
        let envelope = Envelope {
            v,
            log_id,
            term,
            writer,
            kind,
            first_sequence,
            count,
            prev_hash,
            command_id: self.command_id,
            idempotency: self.idempotency.as_ref(),
            decided_at: self.decided_at,
            actor: &self.actor,
            events: &self.events,
        };
        // Maps have string keys and no serializer of ours fails, so encoding cannot fail.
        serde_json::to_vec(&envelope).unwrap_or_default().into()
    }

    /// Reads a record; where only its content is unknown, the error still has the header.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes = object(bytes).ok_or(DecodeError::NotAnEnvelope)?;
        let unknown = |header: Header, reason: String| DecodeError::UnknownContent {
            sequence: header.first_sequence,
            header: Box::new(header),
            reason,
        };
        match read::<Envelope<Idempotency, Actor, Vec<Event>>>(bytes) {
            Ok(envelope) => {
                let record = Self::from_envelope(envelope);
                if !record.header.is_envelope() {
                    return Err(DecodeError::NotAnEnvelope);
                }
                if record.header.v != VERSION {
                    let reason = format!("its format is version {}, known is {VERSION}", record.header.v);
                    return Err(unknown(record.header, reason));
                }
                if record.header.count != record.events.len() as u64 {
                    let reason = format!("it counts {} events and holds {}", record.header.count, record.events.len());
                    return Err(unknown(record.header, reason));
                }
                Ok(record)
            }
            Err(error) => match Header::decode(bytes) {
                Some(header) => Err(unknown(header, error.to_string())),
                None => Err(DecodeError::NotAnEnvelope),
            },
        }
    }

    fn from_envelope(envelope: Envelope<Idempotency, Actor, Vec<Event>>) -> Self {
        Self {
            header: Header {
                v: envelope.v,
                log_id: envelope.log_id,
                term: envelope.term,
                writer: envelope.writer,
                kind: envelope.kind,
                first_sequence: envelope.first_sequence,
                count: envelope.count,
                prev_hash: envelope.prev_hash,
            },
            command_id: envelope.command_id,
            idempotency: envelope.idempotency,
            decided_at: envelope.decided_at,
            actor: envelope.actor,
            events: envelope.events,
        }
    }
}

/// One check that all of it is UTF-8 is cheaper than one for each string.
fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// A derived `Deserialize` would also take an array of the members' values, and header and record differ in those.
fn object(bytes: &[u8]) -> Option<&[u8]> {
    let begin = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    (bytes[begin] == b'{').then_some(bytes)
}
