//! Heartbeats: soft state of the writer, and a stream of their own beside the log.
//!
//! A heartbeat that changes nothing is no lifecycle event, so the log stays small for ever. What was heard is written to
//! the heartbeat stream, many sessions in one record, kept for some days: enough to say when a publisher that is gone
//! was last heard, also after a restart. Losing the last of it loses no decision.

use crate::{
    log::{AppendError, ReadError},
    name::SessionId,
    time::LogTime,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The version of the record that this code writes.
pub const VERSION: u32 = 1;
/// Most sessions in one record; the others wait for the next.
pub const MAX_SESSIONS: usize = 5_000;

/// What was heard since the record before: one coalesced event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeats {
    /// Version of the record.
    pub v: u32,
    /// The log that the sessions are on.
    pub log_id: Uuid,
    /// The term of the writer that heard them.
    pub term: u64,
    /// That writer.
    pub writer: Uuid,
    /// When the record was made.
    pub decided_at: LogTime,
    /// When each session was last heard.
    pub sessions: BTreeMap<SessionId, LogTime>,
}

/// A record at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatEntry {
    /// Its sequence on the stream; rises, and is never used again.
    pub sequence: u64,
    /// The record.
    pub heartbeats: Heartbeats,
}

/// The heartbeat stream, as the rest of the registry sees it. Every call blocks and may come from any thread.
///
/// # Contract
/// - `append` makes the record readable before it returns. A crash of the process does not lose it; one of the machine
///   may lose the newest records, never others.
/// - `read` returns records in the order of their sequence, each once.
/// - `forget` removes old records only, and their sequences are not used again.
pub trait HeartbeatStream: Send + Sync {
    /// Appends a record and returns its sequence.
    fn append(&self, heartbeats: &Heartbeats) -> Result<u64, AppendError>;

    /// Reads at most `max` records after a sequence.
    fn read(&self, after: u64, max: usize) -> Result<Vec<HeartbeatEntry>, ReadError>;

    /// The last sequence that is no longer kept: records after it are all there. 0 if none was ever removed.
    fn floor(&self) -> Result<u64, ReadError>;

    /// The last sequence before the first record made at `time` or later: where to read from.
    fn before(&self, time: LogTime) -> Result<u64, ReadError>;

    /// Removes the records made before `time`.
    fn forget(&self, time: LogTime) -> Result<(), AppendError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_as_it_has_always_been() {
        let (one, two) = (SessionId::parse("one").unwrap(), SessionId::parse("two").unwrap());
        let at = LogTime::from_millis;
        let record = Heartbeats {
            v: VERSION,
            log_id: Uuid::from_u128(1),
            term: 3,
            writer: Uuid::from_u128(2),
            decided_at: at(1_800_000_001_000),
            sessions: BTreeMap::from([(one, at(1_800_000_000_250)), (two, at(1_800_000_000_900))]),
        };
        let golden = r#"{"v":1,"logId":"00000000-0000-0000-0000-000000000001","term":3,"#.to_owned()
            + r#""writer":"00000000-0000-0000-0000-000000000002","decidedAt":"2027-01-15T08:00:01.000Z","#
            + r#""sessions":{"one":"2027-01-15T08:00:00.250Z","two":"2027-01-15T08:00:00.900Z"}}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), golden);
        assert_eq!(serde_json::from_str::<Heartbeats>(&golden).unwrap(), record);
    }
}
