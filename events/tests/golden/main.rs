//! One committed example of every event type: `golden/<type>.json`, one line, as it stands in a record.
//!
//! Logs are kept for ever, so a file here is never changed. A new shape is a new version with a file of its own.
#![expect(clippy::unwrap_used, reason = "tests")]

mod catalogue;
mod examples;

use examples::{examples, id};
use mcpctl_events::{
    event::{
        Body, Event,
        row::{Cause, RowEvent, Status, Transition},
    },
    evolve::evolve,
    hash::Hash,
    record::{DecodeError, Record},
    snapshot::FOLD_VERSION,
    state::State,
    time::LogTime,
};
use std::{collections::BTreeSet, fs, path::PathBuf};

#[test]
fn every_type_has_its_example_and_reads_and_writes_it_alike() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut missing = Vec::new();
    for event in examples() {
        let path = folder.join(format!("{}.json", event.type_name()));
        let written = serde_json::to_string(&event).unwrap();
        let Ok(golden) = fs::read_to_string(&path) else {
            let wanted = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(path.file_name().unwrap());
            fs::write(&wanted, written + "\n").unwrap();
            missing.push(wanted);
            continue;
        };
        assert_eq!(golden, written + "\n", "{}", path.display());
        let read: Event = serde_json::from_str(&golden).unwrap();
        assert_eq!(read, event, "{}", path.display());
    }
    assert!(missing.is_empty(), "types without an example; if these are right, move them to {folder:?}: {missing:?}");
}

#[test]
fn every_example_is_of_a_type_that_there_is() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let files: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let types: BTreeSet<String> = examples().iter().map(|event| format!("{}.json", event.type_name())).collect();
    assert_eq!(files, types);
    assert_eq!(types.len(), examples().len(), "each type is one variant's");
}

#[test]
fn what_may_be_left_out_may_be_missing_and_what_is_new_is_passed_over() {
    let line = r#"{"type":"mcpctl.llm.deactivated.v1","subject":"llm/qwen","data":{"cause":"withdrawn","from":"active","to":"inactive","later":[1]}}"#;
    let event: Event = serde_json::from_str(line).unwrap();
    let Body::Llm(RowEvent::Deactivated(data)) = event.body else { panic!("{:?}", event.body) };
    assert_eq!(data, Transition::new(Cause::Withdrawn, Status::Active, Status::Inactive, None));
}

/// The state after each example, a line each. Snapshots hold what the fold made of events: whoever changes what it makes
/// has to raise `FOLD_VERSION`, and commits the new file under the new number.
#[test]
fn the_fold_of_all_examples_is_that_of_its_version() {
    let (mut state, mut folded) = (State::default(), String::new());
    let of_a_session = |event: &Event| matches!(event.body, Body::SessionRegistered(_) | Body::SessionConnected(_));
    // A session first, for rows to belong to.
    let events = examples().into_iter().filter(of_a_session).chain(examples());
    for (at, event) in (1_800_000_000_000..).zip(events) {
        evolve(&mut state, LogTime::from_millis(at), &event);
        folded.push_str(&serde_json::to_string(&state).unwrap());
        folded.push('\n');
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/fold.v{FOLD_VERSION}.jsonl"));
    let golden = fs::read_to_string(&path).unwrap_or_default();
    if golden != folded {
        let wanted = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(path.file_name().unwrap());
        fs::write(&wanted, folded).unwrap();
        panic!("the fold changed: raise FOLD_VERSION, and commit {} as its golden state", wanted.display());
    }
}

#[test]
fn an_unknown_type_is_named() {
    for (type_name, subject) in [
        ("mcpctl.llm.teleported.v1", "llm/qwen"),
        ("mcpctl.agent.registered.v2", "agent/coder"),
        ("mcpctl.planet.created.v1", "planet/mars"),
        ("elsewhere", "llm/qwen"),
    ] {
        let error = Record::decode(record(type_name, subject).as_bytes()).unwrap_err();
        let DecodeError::UnknownContent { sequence, ref reason, ref header } = error else { panic!("{error:?}") };
        assert_eq!((sequence, header.count), (7, 1));
        assert!(reason.contains(&format!("unknown event type `{type_name}`")), "{reason}");
    }
}

#[test]
fn a_subject_fits_its_type() {
    let error = Record::decode(record("mcpctl.token.revoked.v1", "llm/qwen").as_bytes()).unwrap_err();
    assert!(error.to_string().contains("subject `llm/qwen` is no token"), "{error}");
    assert!(Record::decode(record("mcpctl.token.revoked.v1", "token/laptop").as_bytes()).is_ok());
}

fn record(type_name: &str, subject: &str) -> String {
    let (id, none) = (id(1), Hash::NONE);
    format!(
        r#"{{"v":1,"logId":"{id}","term":1,"writer":"{id}","kind":"commit","firstSequence":7,"count":1,"prevHash":"{none}","commandId":"{id}","decidedAt":"2026-01-31T12:00:00.000Z","actor":"user/ann","events":[{{"type":"{type_name}","subject":"{subject}","data":{{"id":"{id}"}}}}]}}"#
    )
}
