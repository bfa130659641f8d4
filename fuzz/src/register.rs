//! The body of a register.

use mcpctl_events::{
    command::Command,
    decide::{Context, Quotas, decide},
    event::Event,
    evolve::evolve,
    state::State,
    time::LogTime,
};
use uuid::Uuid;

/// What is accepted can be decided, written to the log and read back as it was, and a second register of the same changes
/// nothing.
pub fn register(data: &[u8]) {
    let Some(register) = mcpd::untrusted::register(data) else { return };
    let (mut state, command) = (State::default(), Command::Register(register));
    let context = Context { now: LogTime::from_millis(1_800_000_000_000), log_id: Uuid::nil(), quotas: Quotas::NONE };
    let Ok(events) = decide(&state, &command, context) else { return };
    for event in &events {
        let text = serde_json::to_vec(event).expect("an event can be written");
        let read: Event = serde_json::from_slice(&text).expect("what was accepted can be read from the log");
        assert_eq!(&read, event);
        evolve(&mut state, context.now, &read);
    }
    assert_eq!(decide(&state, &command, context), Ok(Vec::new()), "once is enough");
}
