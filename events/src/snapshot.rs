//! Snapshots of the fold: a cache that makes a start fast. The log alone is the truth.
//!
//! A snapshot is one file: a line with version, checksum and length, then the replica as JSON. A snapshot that is torn,
//! of another version, or whose last record is not on the log with the same hash, is not used.

use crate::{
    hash::Hash,
    log::{EventLog, Position, ReadError, holds},
    replica::Replica,
};
use serde::{Deserialize, Serialize};

/// Changes whenever the state or the fold does: an older snapshot is then folded anew.
pub const FOLD_VERSION: u32 = 4;

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
    /// It could not be compared with the log: it may be used another time.
    #[error("the log cannot be read")]
    LogUnreadable,
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
    match on_log(&replica, log) {
        Ok(true) => Ok(replica),
        Ok(false) => Err(Unusable::OtherLog),
        Err(_) => Err(Unusable::LogUnreadable),
    }
}

fn on_log(replica: &Replica, log: &dyn EventLog) -> Result<bool, ReadError> {
    let Some(hash) = replica.last_hash else { return Ok(replica.position == Position::default()) };
    holds(log, replica.position, hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{log::memory::MemoryLog, replay::fold_to};
    use bytes::Bytes;

    const CLAIM: &str = r#"{"v":1,"logId":"019b5a00-0000-7000-8000-000000000001","term":1,
        "writer":"019b5a00-0000-7000-8000-000000000002","kind":"claim","firstSequence":1,"count":0,
        "prevHash":"0000000000000000000000000000000000000000000000000000000000000000",
        "commandId":"019b5a00-0000-7000-8000-000000000003","decidedAt":"2026-01-31T12:00:00.000Z",
        "actor":"system/writer","events":[]}"#;

    /// A log of a claim and of litter that admission rejects, and what it folds to.
    fn log(records: u8) -> (MemoryLog, Replica) {
        let litter = (0..records).map(|number| Bytes::from(format!("litter {number}")));
        let log = MemoryLog::from_records(std::iter::once(Bytes::from(CLAIM)).chain(litter).collect());
        let mut replica = Replica::default();
        fold_to(&log, &mut replica, 1, u64::MAX).unwrap();
        (log, replica)
    }

    #[test]
    fn comes_back_as_it_was_also_behind_a_record_that_was_rejected() {
        for (log, replica) in [log(0), log(3), (MemoryLog::default(), Replica::default())] {
            assert_eq!(decode(&encode(&replica).unwrap(), &log), Ok(replica));
        }
    }

    #[test]
    fn a_damaged_one_is_not_used() {
        let (log, replica) = log(1);
        let whole = encode(&replica).unwrap();
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length], &log), Err(Unusable::Damaged), "torn after {length} bytes");
        }
        let body = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in body..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            assert_eq!(decode(&altered, &log), Err(Unusable::Damaged), "byte {at} altered");
        }
    }

    #[test]
    fn one_of_another_version_is_not_used() {
        let (log, replica) = log(1);
        let text = String::from_utf8(encode(&replica).unwrap()).unwrap();
        let (now, then) = (format!("\"foldVersion\":{FOLD_VERSION}"), format!("\"foldVersion\":{}", FOLD_VERSION + 1));
        assert_eq!(decode(text.replace(&now, &then).as_bytes(), &log), Err(Unusable::OtherVersion));
    }

    #[test]
    fn one_of_another_log_is_not_used() {
        let (_, replica) = log(2);
        let snapshot = encode(&replica).unwrap();
        let other = MemoryLog::from_records((0..9).map(|n| Bytes::from(format!("other {n}"))).collect());
        for log in [other, log(1).0, MemoryLog::default()] {
            assert_eq!(decode(&snapshot, &log), Err(Unusable::OtherLog));
        }
    }
}
