//! One test for each sentence of the rule.

use super::*;
use crate::record::VERSION;

const LOG: Uuid = Uuid::from_u128(1);
const OTHER_LOG: Uuid = Uuid::from_u128(2);
const ANN: Uuid = Uuid::from_u128(10);
const BOB: Uuid = Uuid::from_u128(11);

fn claim(term: u64, writer: Uuid) -> Header {
    control(RecordKind::Claim, term, writer)
}

fn control(kind: RecordKind, term: u64, writer: Uuid) -> Header {
    Header { v: VERSION, log_id: LOG, term, writer, kind, first_sequence: 0, count: 0, prev_hash: Hash::NONE }
}

/// A commit of the holder that fits.
fn commit(admitted: &Admission, count: u64) -> Header {
    Header {
        first_sequence: admitted.last_sequence + 1,
        count,
        prev_hash: admitted.head,
        ..control(RecordKind::Commit, admitted.term, admitted.holder.unwrap_or_default())
    }
}

/// Any hash will do where only equality matters.
fn hash(of: u8) -> Hash {
    Hash::of(&[of])
}

fn held_by_ann() -> Admission {
    let mut admitted = Admission::default();
    assert_eq!(admitted.admit(Some(&claim(1, ANN)), hash(1)), Verdict::Elected);
    let opening = commit(&admitted, 1);
    assert_eq!(admitted.admit(Some(&opening), hash(2)), Verdict::Committed);
    admitted
}

/// Judges, and checks that a rejected record changes nothing.
fn rejected(admitted: &Admission, record: Option<&Header>) -> Rejected {
    let mut after = admitted.clone();
    let Verdict::Rejected(why) = after.admit(record, hash(99)) else { panic!("{record:?} was not rejected") };
    assert_eq!(&after, admitted);
    why
}

#[test]
fn what_is_no_envelope_is_rejected() {
    assert_eq!(rejected(&Admission::default(), None), Rejected::NotAnEnvelope);
    assert_eq!(rejected(&held_by_ann(), None), Rejected::NotAnEnvelope);
}

#[test]
fn a_commit_has_at_least_one_event() {
    let record = serde_json::to_string(&Header { count: 0, ..commit(&held_by_ann(), 1) }).unwrap();
    assert_eq!(Header::decode(record.as_bytes()), None);
}

#[test]
fn the_first_admitted_claim_names_the_log() {
    let mut admitted = Admission::default();
    let lost = Header { log_id: OTHER_LOG, ..claim(2, BOB) };
    assert_eq!(rejected(&admitted, Some(&lost)), Rejected::LostClaim);
    admitted.admit(Some(&claim(1, ANN)), hash(1));
    assert_eq!(admitted.log_id, Some(LOG));
}

#[test]
fn records_of_another_log_are_rejected() {
    let admitted = held_by_ann();
    for record in [claim(2, BOB), commit(&admitted, 1), control(RecordKind::Resign, 1, ANN)] {
        let foreign = Header { log_id: OTHER_LOG, ..record };
        assert_eq!(rejected(&admitted, Some(&foreign)), Rejected::OtherLog);
    }
}

#[test]
fn a_claim_wins_if_its_term_is_the_next() {
    let mut admitted = held_by_ann();
    for term in [0, 1, 3, u64::MAX] {
        assert_eq!(rejected(&admitted, Some(&claim(term, BOB))), Rejected::LostClaim, "term {term}");
    }
    assert_eq!(admitted.admit(Some(&claim(2, BOB)), hash(3)), Verdict::Elected);
    assert_eq!((admitted.term, admitted.holder), (2, Some(BOB)));
    assert_eq!(rejected(&admitted, Some(&claim(2, ANN))), Rejected::LostClaim, "one claim a term");
}

#[test]
fn the_last_term_has_no_next() {
    let admitted = Admission { term: u64::MAX, ..held_by_ann() };
    assert_eq!(rejected(&admitted, Some(&claim(0, BOB))), Rejected::LostClaim);
    assert_eq!(rejected(&admitted, Some(&claim(u64::MAX, BOB))), Rejected::LostClaim);
}

#[test]
fn only_the_holder_writes_in_its_term() {
    let mut admitted = held_by_ann();
    let late = commit(&admitted, 1);
    for kind in [RecordKind::Commit, RecordKind::Noop, RecordKind::Resign] {
        let of_bob = Header { kind, writer: BOB, ..late.clone() };
        assert_eq!(rejected(&admitted, Some(&of_bob)), Rejected::NotTheHolder);
    }
    admitted.admit(Some(&claim(2, BOB)), hash(3));
    assert_eq!(rejected(&admitted, Some(&late)), Rejected::NotTheHolder, "an older term");
    let same_writer = Header { term: 1, ..commit(&admitted, 1) };
    assert_eq!(rejected(&admitted, Some(&same_writer)), Rejected::NotTheHolder);
}

#[test]
fn a_later_term_means_that_a_claim_was_missed() {
    let admitted = held_by_ann();
    for kind in [RecordKind::Commit, RecordKind::Noop, RecordKind::Resign] {
        assert_eq!(rejected(&admitted, Some(&control(kind, 2, ANN))), Rejected::UnknownTerm);
    }
    assert_eq!(rejected(&Admission::default(), Some(&control(RecordKind::Commit, 1, ANN))), Rejected::UnknownTerm);
}

#[test]
fn nothing_is_written_before_the_first_claim() {
    let nobody = control(RecordKind::Commit, 0, Uuid::nil());
    assert_eq!(rejected(&Admission::default(), Some(&nobody)), Rejected::NotTheHolder);
}

#[test]
fn a_commit_follows_the_last_event() {
    let admitted = held_by_ann();
    for first_sequence in [0, 1, 3, u64::MAX] {
        let record = Header { first_sequence, ..commit(&admitted, 1) };
        assert_eq!(rejected(&admitted, Some(&record)), Rejected::OutOfSequence, "first sequence {first_sequence}");
    }
    let out_of_sequence_and_chain = Header { first_sequence: 3, prev_hash: hash(9), ..commit(&admitted, 1) };
    assert_eq!(rejected(&admitted, Some(&out_of_sequence_and_chain)), Rejected::OutOfSequence, "never fatal");
}

#[test]
fn a_commit_counts_its_events() {
    let mut admitted = held_by_ann();
    let record = commit(&admitted, 7);
    assert_eq!(admitted.admit(Some(&record), hash(3)), Verdict::Committed);
    assert_eq!((admitted.last_sequence, admitted.head), (8, hash(3)));
    for count in [i64::MAX as u64, u64::MAX] {
        assert_eq!(rejected(&admitted, Some(&commit(&admitted, count))), Rejected::OutOfSequence);
    }
}

#[test]
fn a_commit_that_does_not_chain_is_fatal_and_changes_nothing() {
    let admitted = held_by_ann();
    let mut after = admitted.clone();
    let record = Header { prev_hash: hash(9), ..commit(&admitted, 1) };
    let fatal = Fatal::BrokenChain { sequence: 2 };
    assert_eq!(after.admit(Some(&record), hash(3)), Verdict::Fatal(fatal));
    assert_eq!(after, admitted);
    assert_eq!(fatal.to_string(), "hash chain broken at sequence 2");
}

#[test]
fn only_commits_move_the_head() {
    let mut admitted = held_by_ann();
    let head = admitted.head;
    assert_eq!(admitted.admit(Some(&control(RecordKind::Noop, 1, ANN)), hash(3)), Verdict::Barrier);
    assert_eq!(admitted.admit(Some(&control(RecordKind::Resign, 1, ANN)), hash(4)), Verdict::Resigned);
    assert_eq!(admitted.admit(Some(&claim(2, BOB)), hash(5)), Verdict::Elected);
    assert_eq!((admitted.head, admitted.last_sequence), (head, 1));
}

#[test]
fn whoever_resigned_holds_nothing() {
    let mut admitted = held_by_ann();
    let late = commit(&admitted, 1);
    admitted.admit(Some(&control(RecordKind::Resign, 1, ANN)), hash(3));
    assert_eq!((admitted.term, admitted.holder), (1, None));
    assert_eq!(rejected(&admitted, Some(&late)), Rejected::NotTheHolder);
    assert_eq!(rejected(&admitted, Some(&claim(1, BOB))), Rejected::LostClaim, "the term is over, not free");
}

#[test]
fn unknown_versions_and_members_are_judged_like_any_other() {
    let admitted = held_by_ann();
    let mut record = serde_json::to_value(Header { v: 99, ..commit(&admitted, 1) }).unwrap();
    record["events"] = serde_json::json!([{"type": "mcpctl.of.tomorrow.v9"}]);
    record["more"] = serde_json::json!(true);
    let header = Header::decode(record.to_string().as_bytes()).unwrap();
    assert_eq!(admitted.clone().admit(Some(&header), hash(3)), Verdict::Committed);
}

#[test]
fn goes_on_from_its_stored_state() {
    let admitted = held_by_ann();
    let stored = serde_json::to_string(&admitted).unwrap();
    assert_eq!(serde_json::from_str::<Admission>(&stored).unwrap(), admitted);
}
