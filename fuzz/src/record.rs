//! Records, as they are read from a log that anybody may have written to.

use mcpctl_events::{
    evolve::evolve,
    record::{DecodeError, Header, Record},
    state::State,
};

/// Each line is a record. What can be read is written and read alike, its header alone too, and its events can happen to
/// any registry, however little sense they make.
pub fn record(data: &[u8]) {
    let mut state = State::default();
    for line in data.split(|byte| *byte == b'\n') {
        let header = Header::decode(line);
        match Record::decode(line) {
            Ok(record) => {
                assert_eq!(header.as_ref(), Some(&record.header), "the header alone says the same");
                let again = Record::decode(&record.encode());
                assert_eq!(again.as_ref(), Ok(&record), "what was read is written as it was");
                for event in &record.events {
                    evolve(&mut state, record.decided_at, event);
                }
            }
            Err(DecodeError::UnknownContent { header: found, .. }) => assert_eq!(header, Some(*found)),
            Err(DecodeError::NotAnEnvelope) => assert_eq!(header, None),
        }
    }
    // A snapshot of whatever became of it is read back, and written as it was. Indexes may differ where two rows share an
    // id, which no decision ever makes.
    let text = serde_json::to_string(&state).expect("a state can be written");
    let read: State = serde_json::from_str(&text).expect("and read");
    assert_eq!(serde_json::to_string(&read).expect("and written again"), text);
}
