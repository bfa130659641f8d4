//! Logs whose verdicts are fixed for ever: `<name>.jsonl` holds the records, one a line, exactly as they are stored;
//! `<name>.verdicts` says what admission makes of each, and then its last state.
//!
//! New logs may come. A line of an old one is never changed: replicas of different versions judge the same records.

use mcpctl_events::{
    admission::{Admission, Rejected, Verdict},
    hash::Hash,
    record::{DecodeError, Header, Record},
};
use std::{fs, path::PathBuf};

#[test]
fn golden_logs_are_judged_as_ever() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden-logs");
    let mut logs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    logs.sort();
    assert_eq!(logs.len(), 7, "{logs:?}");
    for log in logs {
        let records = fs::read(&log).unwrap();
        let expected = fs::read_to_string(log.with_extension("verdicts")).unwrap();
        let judged = judge(records.strip_suffix(b"\n").unwrap());
        for (number, pair) in judged.iter().zip(expected.lines()).enumerate() {
            assert_eq!(pair.0, pair.1, "line {} of {}", number + 1, log.display());
        }
        assert_eq!(judged.len(), expected.lines().count(), "{}", log.display());
    }
}

fn judge(log: &[u8]) -> Vec<String> {
    let mut admission = Admission::default();
    let mut lines: Vec<String> = log
        .split(|byte| *byte == b'\n')
        .map(|record| {
            let header = Header::decode(record);
            assert_eq!(header, header_of_the_whole(record), "both ways to read it must agree");
            name(admission.admit(header.as_ref(), Hash::of(record)))
        })
        .collect();
    lines.push(serde_json::to_string(&admission).unwrap());
    lines
}

fn header_of_the_whole(record: &[u8]) -> Option<Header> {
    match Record::decode(record) {
        Ok(record) => Some(record.header),
        Err(DecodeError::UnknownContent { header, .. }) => Some(*header),
        Err(DecodeError::NotAnEnvelope) => None,
    }
}

fn name(verdict: Verdict) -> String {
    let text = match verdict {
        Verdict::Elected => "elected",
        Verdict::Committed => "committed",
        Verdict::Barrier => "barrier",
        Verdict::Resigned => "resigned",
        Verdict::Fatal(fatal) => return format!("fatal: {fatal}"),
        Verdict::Rejected(Rejected::NotAnEnvelope) => "rejected: not an envelope",
        Verdict::Rejected(Rejected::OtherLog) => "rejected: other log",
        Verdict::Rejected(Rejected::LostClaim) => "rejected: lost claim",
        Verdict::Rejected(Rejected::NotTheHolder) => "rejected: not the holder",
        Verdict::Rejected(Rejected::UnknownTerm) => "rejected: unknown term",
        Verdict::Rejected(Rejected::OutOfSequence) => "rejected: out of sequence",
    };
    text.to_owned()
}
