//! Admission, for records in any order.

use mcpctl_events::{
    admission::{Admission, Verdict},
    hash::Hash,
    record::{Header, RecordKind},
};
use uuid::Uuid;

/// Bytes of one record: kind, writer, and how far term, sequence, count, log and hash are from what would be admitted.
const BYTES: usize = 7;

/// Each record is a few bytes that say how it differs from one that would be admitted next: so most get far. Admission
/// never goes back, changes nothing with what it rejects, and judges alike each time.
pub fn admission(data: &[u8]) {
    let (mut first, mut second) = (Admission::default(), Admission::default());
    for (number, bytes) in data.chunks_exact(BYTES).enumerate() {
        let record = record(bytes, &first);
        let hash = Hash::of(&number.to_le_bytes());
        let before = first.clone();
        let verdict = first.admit(record.as_ref(), hash);
        assert_eq!(second.admit(record.as_ref(), hash), verdict, "the same record, the same verdict");
        check(&before, record.as_ref(), verdict, &first);
    }
    assert_eq!(first, second);
}

fn record(bytes: &[u8], admitted: &Admission) -> Option<Header> {
    let [kind, writer, term, sequence, count, log, hash] = *bytes else { return None };
    let kind = match kind % 8 {
        0 | 1 => RecordKind::Claim,
        2..6 => RecordKind::Commit,
        6 => RecordKind::Noop,
        _ => RecordKind::Resign,
    };
    let off = |byte: u8| i64::from(byte.cast_signed());
    let next_term = admitted.term.saturating_add(u64::from(kind == RecordKind::Claim));
    let writer = if writer == 0 { admitted.holder.unwrap_or_default() } else { Uuid::from_u128(writer.into()) };
    // The ends of what a count can be are far away, and still near in bytes.
    let count = if count > 250 { u64::MAX - u64::from(255 - count) } else { u64::from(count) };
    Some(Header {
        v: 1,
        log_id: Uuid::from_u128((log > 200).into()),
        term: next_term.wrapping_add_signed(off(term)),
        writer,
        kind,
        first_sequence: admitted.last_sequence.wrapping_add(1).wrapping_add_signed(off(sequence)),
        count,
        prev_hash: if hash > 200 { Hash::of(b"elsewhere") } else { admitted.head },
    })
}

fn check(before: &Admission, record: Option<&Header>, verdict: Verdict, after: &Admission) {
    assert!(after.last_sequence >= before.last_sequence && after.term >= before.term, "it never goes back");
    assert!(before.log_id.is_none() || after.log_id == before.log_id, "a log keeps its id");
    match (verdict, record) {
        (Verdict::Elected, Some(claim)) => {
            assert_eq!((Some(after.term), after.holder), (before.term.checked_add(1), Some(claim.writer)));
        }
        (Verdict::Committed, Some(commit)) => {
            assert_eq!((before.holder, before.term), (Some(commit.writer), commit.term));
            assert_eq!(commit.prev_hash, before.head);
            assert_eq!(Some(after.last_sequence), before.last_sequence.checked_add(commit.count));
        }
        (Verdict::Resigned, _) => assert_eq!((after.term, after.holder), (before.term, None)),
        _ => assert_eq!(after, before, "{verdict:?} changes nothing"),
    }
}
