//! A registry with a history, what is asked of it, and what it decides.

use super::{ask, consistent::assert_consistent};
use crate::{
    command::Command,
    decide::{Context, Quotas, decide},
    event::Event,
    evolve::evolve,
    hash::Hash,
    record::{Actor, Header, Record, RecordKind, VERSION},
    rejection::Rejection,
    replica::fold,
    state::{Agent, Llm, Session, State},
    time::LogTime,
};
use std::time::Duration;
use uuid::Uuid;

/// The log of all these tests.
pub(super) const LOG: Uuid = Uuid::from_u128(0x10);

/// What is committed goes through the bytes of a record, and a second fold of those bytes must give the same state.
pub(super) struct Given {
    pub(super) state: State,
    pub(super) now: LogTime,
    pub(super) quotas: Quotas,
    replayed: State,
    sequence: u64,
    asked: Option<Command>,
    decided: Result<Vec<Event>, Rejection>,
}

impl Given {
    pub(super) fn new() -> Self {
        Self {
            state: State::default(),
            now: ask::start(),
            quotas: Quotas::NONE,
            replayed: State::default(),
            sequence: 0,
            asked: None,
            decided: Ok(Vec::new()),
        }
    }

    /// What happened before: it must have changed something.
    pub(super) fn given(self, command: impl Into<Command>) -> Self {
        let this = self.when(command);
        assert!(!this.events().is_empty(), "{:?} changed nothing", this.asked);
        this
    }

    pub(super) fn later(mut self, by: Duration) -> Self {
        self.now = self.now.plus(by);
        self
    }

    pub(super) fn when(mut self, command: impl Into<Command>) -> Self {
        let command = command.into();
        self.decided = self.decide(&command);
        self.asked = Some(command);
        if let Ok(events) = self.decided.clone()
            && !events.is_empty()
        {
            self.commit(events);
        }
        self
    }

    /// The command of the last `when`.
    pub(super) fn asked(&self) -> Command {
        self.asked.clone().unwrap()
    }

    pub(super) fn decide(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        decide(&self.state, command, Context { now: self.now, log_id: LOG, quotas: self.quotas })
    }

    /// What was decided, one [`line`] an event.
    pub(super) fn then(self, expected: &[&str]) -> Self {
        assert_eq!(self.events().iter().map(line).collect::<Vec<_>>(), expected);
        self
    }

    pub(super) fn then_nothing(self) -> Self {
        self.then(&[])
    }

    /// What was refused, in the words that people read.
    pub(super) fn refused(self, expected: &str) -> Self {
        match &self.decided {
            Ok(events) => panic!("not refused: {events:?}"),
            Err(rejection) => assert_eq!(rejection.to_string(), expected),
        }
        self
    }

    /// The same command once more is fulfilled already.
    pub(super) fn once_is_enough(self) -> Self {
        let command = self.asked();
        assert_eq!(self.decide(&command), Ok(Vec::new()), "{command:?}");
        self
    }

    pub(super) fn and(self, check: impl FnOnce(&Self)) -> Self {
        check(&self);
        self
    }

    pub(super) fn outcome(&self) -> &Result<Vec<Event>, Rejection> {
        &self.decided
    }

    pub(super) fn events(&self) -> &[Event] {
        self.decided.as_deref().unwrap_or_else(|rejection| panic!("{:?} was refused: {rejection}", self.asked))
    }

    pub(super) fn llm(&self, name: &str) -> &Llm {
        self.state.llms.get(name).unwrap()
    }

    pub(super) fn agent(&self, name: &str) -> &Agent {
        self.state.agents.get(name).unwrap()
    }

    pub(super) fn session(&self, id: &str) -> &Session {
        self.state.sessions.get(id).unwrap()
    }

    fn commit(&mut self, events: Vec<Event>) {
        let header = Header {
            v: VERSION,
            log_id: LOG,
            term: 1,
            writer: Uuid::nil(),
            kind: RecordKind::Commit,
            first_sequence: self.sequence + 1,
            count: events.len() as u64,
            prev_hash: Hash::NONE,
        };
        let record = Record {
            header,
            command_id: Uuid::nil(),
            idempotency: None,
            decided_at: self.now,
            actor: Actor::System(ask::name("test")),
            events,
        };
        self.sequence += record.header.count;
        for event in &record.events {
            evolve(&mut self.state, self.now, event);
        }
        let read = Record::decode(&record.encode()).unwrap();
        assert_eq!(read, record);
        fold(&mut self.replayed, &read);
        assert_eq!(self.replayed, self.state);
        assert_consistent(&self.state);
    }
}

/// `llm/qwen activated (heartbeat) inactive→active`; other events than those of rows: `session/s connected`.
pub(super) fn line(event: &Event) -> String {
    let what = event.type_name().rsplit('.').nth(1).unwrap();
    let data = serde_json::to_value(&event.body).unwrap();
    let word = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    if data.get("from").is_some() {
        format!("{} {what} ({}) {}→{}", event.subject, word("cause"), word("from"), word("to"))
    } else {
        format!("{} {what}", event.subject)
    }
}
