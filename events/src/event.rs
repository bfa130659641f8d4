//! The immutable facts on the log.
//!
//! An event is `{type, subject, data}`; `type` is `mcpctl.<resource>.<what>.v<N>`. Each type has one committed example
//! in `events/golden/`. Types are never changed once written: a new shape is a new version, read by an upcaster.

mod codec;
pub mod registry;
pub mod row;
pub mod session;
pub mod token;

use crate::{
    definition::{AgentDefinition, Definition, LlmDefinition},
    name::{Name, SessionId},
};
use registry::{ExpiryResumed, ExpirySuspended, WriterElected};
use row::RowEvent;
use session::{SessionConnected, SessionDisconnected, SessionRegistered};
use std::fmt;
use token::{TokenIssued, TokenRevoked};
use uuid::Uuid;

/// One fact about one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What the fact is about.
    pub subject: Subject,
    /// What happened.
    pub body: Body,
}

/// What an event is about, written `llm/qwen`, `session/…`, `registry/<logId>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An Llm, by name.
    Llm(Name),
    /// An agent, by name.
    Agent(Name),
    /// A publisher's session.
    Session(SessionId),
    /// A token, by name.
    Token(Name),
    /// The registry itself, by the id of its log.
    Registry(Uuid),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Llm(name) => write!(f, "llm/{name}"),
            Self::Agent(name) => write!(f, "agent/{name}"),
            Self::Session(id) => write!(f, "session/{id}"),
            Self::Token(name) => write!(f, "token/{name}"),
            Self::Registry(id) => write!(f, "registry/{id}"),
        }
    }
}

/// What happened. The subject's resource always fits the body; [`Event`]s are made by the constructors below.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// An Llm's life or definition.
    Llm(RowEvent<LlmDefinition>),
    /// An agent's life or definition.
    Agent(RowEvent<AgentDefinition>),
    /// A session began.
    SessionRegistered(SessionRegistered),
    /// A stream or a long-poll was bound to a session.
    SessionConnected(SessionConnected),
    /// The stream of a session ended.
    SessionDisconnected(SessionDisconnected),
    /// A token was made.
    TokenIssued(TokenIssued),
    /// A token was withdrawn.
    TokenRevoked(TokenRevoked),
    /// A writer's first commit of its term.
    WriterElected(WriterElected),
    /// Expiry is off for a while, because too much went silent at once or a clock jumped.
    ExpirySuspended(ExpirySuspended),
    /// Expiry is on again.
    ExpiryResumed(ExpiryResumed),
}

/// Ties a definition to its events and subjects.
pub trait Resource: Definition {
    /// The subject of a row of this name.
    fn subject(name: Name) -> Subject;
    /// The body of a row event.
    fn body(event: RowEvent<Self>) -> Body;
    /// An event about the row of this name.
    fn event(name: &Name, event: RowEvent<Self>) -> Event {
        Event { subject: Self::subject(name.clone()), body: Self::body(event) }
    }
}

impl Resource for LlmDefinition {
    fn subject(name: Name) -> Subject {
        Subject::Llm(name)
    }
    fn body(event: RowEvent<Self>) -> Body {
        Body::Llm(event)
    }
}

impl Resource for AgentDefinition {
    fn subject(name: Name) -> Subject {
        Subject::Agent(name)
    }
    fn body(event: RowEvent<Self>) -> Body {
        Body::Agent(event)
    }
}
