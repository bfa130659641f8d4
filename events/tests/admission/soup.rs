//! Any records in any order: admission never panics, never goes back, and judges alike each time.

use mcpctl_events::{
    admission::{Admission, Verdict},
    hash::Hash,
    record::{Header, RecordKind},
};
use proptest::prelude::*;
use uuid::Uuid;

/// A record by its difference from one that would be admitted next.
#[derive(Debug, Clone)]
struct Ingredient {
    kind: RecordKind,
    envelope: bool,
    other_log: bool,
    writer: Option<u8>,
    term: i64,
    first_sequence: i64,
    count: u64,
    chained: bool,
}

fn ingredient() -> impl Strategy<Value = Ingredient> {
    use RecordKind::{Claim, Commit, Noop, Resign};
    let kind = prop_oneof![2 => Just(Claim), 6 => Just(Commit), 1 => Just(Noop), 1 => Just(Resign)];
    let mostly_zero = || prop_oneof![8 => Just(0_i64), 1 => -2..=2_i64, 1 => any::<i64>()];
    let count = prop_oneof![8 => 1..=3_u64, 1 => any::<u64>()];
    let rarely = || prop::bool::weighted(0.1);
    let writer = prop_oneof![5 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    (kind, rarely(), rarely(), writer, mostly_zero(), mostly_zero(), count, prop::bool::weighted(0.95)).prop_map(
        |(kind, torn, other_log, writer, term, first_sequence, count, chained)| Ingredient {
            kind,
            envelope: !torn,
            other_log,
            writer,
            term,
            first_sequence,
            count,
            chained,
        },
    )
}

impl Ingredient {
    fn record(&self, admitted: &Admission) -> Option<Header> {
        let next_term = admitted.term.saturating_add(u64::from(self.kind == RecordKind::Claim));
        let writer = self.writer.map(|writer| Uuid::from_u128(writer.into()));
        self.envelope.then(|| Header {
            v: 1,
            log_id: Uuid::from_u128(u128::from(self.other_log)),
            term: next_term.wrapping_add_signed(self.term),
            writer: writer.or(admitted.holder).unwrap_or_default(),
            kind: self.kind,
            first_sequence: admitted.last_sequence.wrapping_add_signed(self.first_sequence).wrapping_add(1),
            count: self.count,
            prev_hash: if self.chained { admitted.head } else { Hash::of(b"elsewhere") },
        })
    }
}

fn check_step(before: &Admission, record: Option<&Header>, verdict: Verdict, after: &Admission) {
    assert!(after.last_sequence >= before.last_sequence && after.term >= before.term);
    assert!(before.log_id.is_none() || after.log_id == before.log_id);
    match (verdict, record) {
        (Verdict::Elected, Some(claim)) => {
            assert_eq!((after.term, after.holder), (before.term + 1, Some(claim.writer)));
        }
        (Verdict::Committed, Some(commit)) => {
            assert_eq!(before.holder, Some(commit.writer));
            assert_eq!((commit.term, commit.prev_hash), (before.term, before.head));
            assert_eq!(commit.first_sequence, before.last_sequence + 1);
            assert_eq!(after.last_sequence, before.last_sequence + commit.count);
        }
        (Verdict::Resigned, _) => assert_eq!((after.term, after.holder), (before.term, None)),
        _ => assert_eq!(after, before, "{verdict:?} changes nothing"),
    }
    let moved = after.head != before.head || after.last_sequence != before.last_sequence;
    assert_eq!(moved, verdict == Verdict::Committed, "only commits move the head");
}

proptest! {
    #[test]
    fn admission_never_goes_back_and_judges_alike(soup in prop::collection::vec(ingredient(), 0..200)) {
        let (mut first, mut second) = (Admission::default(), Admission::default());
        for (number, ingredient) in soup.iter().enumerate() {
            let record = ingredient.record(&first);
            let hash = Hash::of(&number.to_le_bytes());
            let before = first.clone();
            let verdict = first.admit(record.as_ref(), hash);
            check_step(&before, record.as_ref(), verdict, &first);
            // The second replica restarts from its stored state before each record, and reads it from bytes.
            second = serde_json::from_str(&serde_json::to_string(&second).unwrap()).unwrap();
            let bytes = record.as_ref().map_or_else(Vec::new, |record| serde_json::to_vec(record).unwrap());
            prop_assert_eq!(second.admit(Header::decode(&bytes).as_ref(), hash), verdict);
            prop_assert_eq!(&second, &first);
        }
    }

    #[test]
    fn any_bytes_are_judged(records in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut admission = Admission::default();
        for record in records {
            admission.admit(Header::decode(&record).as_ref(), Hash::of(&record));
        }
        prop_assert_eq!(admission, Admission::default());
    }
}
