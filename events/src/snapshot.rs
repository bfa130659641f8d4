//! Snapshots of the fold: a cache that makes a start fast. The log alone is the truth.
//!
//! A snapshot is one file: a line with version, checksum and length, then the replica as JSON. A snapshot that is torn,
//! of another version, or whose last record is not on the log with the same hash, is not used.

use crate::{
    hash::Hash,
    log::{EventLog, Position},
    replica::Replica,
};
use serde::{Deserialize, Serialize};

/// Changes whenever the state or the fold does: an older snapshot is then folded anew.
pub const FOLD_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    fold_version: u32,
    sha256: Hash,
    bytes: usize,
}

/// Why a snapshot is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Torn or altered.
    #[error("the snapshot is damaged")]
    Damaged,
    /// Written by another version of the fold.
    #[error("the snapshot is of another version")]
    OtherVersion,
    /// Its last record is not where the log has it.
    #[error("the snapshot is of another log")]
    OtherLog,
}

/// The snapshot's bytes.
pub fn encode(replica: &Replica) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec(replica)?;
    let head = Head { fold_version: FOLD_VERSION, sha256: Hash::of(&body), bytes: body.len() };
    let mut out = serde_json::to_vec(&head)?;
    out.push(b'\n');
    out.extend_from_slice(&body);
    Ok(out)
}

/// Reads a snapshot and checks it against the log.
pub fn decode(bytes: &[u8], log: &dyn EventLog) -> Result<Replica, Unusable> {
    let split = memchr::memchr(b'\n', bytes).ok_or(Unusable::Damaged)?;
    let head: Head = serde_json::from_slice(&bytes[..split]).map_err(|_| Unusable::Damaged)?;
    if head.fold_version != FOLD_VERSION {
        return Err(Unusable::OtherVersion);
    }
    let body = &bytes[split + 1..];
    if body.len() != head.bytes || Hash::of(body) != head.sha256 {
        return Err(Unusable::Damaged);
    }
    let replica: Replica = serde_json::from_slice(body).map_err(|_| Unusable::Damaged)?;
    if on_log(&replica, log) { Ok(replica) } else { Err(Unusable::OtherLog) }
}

fn on_log(replica: &Replica, log: &dyn EventLog) -> bool {
    let Some(hash) = replica.last_hash else { return replica.position == Position::default() };
    let before = Position(replica.position.0.saturating_sub(1));
    let page = log.read(before, 1).unwrap_or_default();
    page.entries.first().is_some_and(|entry| entry.position == replica.position && Hash::of(&entry.bytes) == hash)
}
