//! The immutable facts on the log.
//!
//! An event is `{type, subject, data}`; `type` is `mcpctl.<resource>.<what>.v<N>`. Each type has one committed example
//! in `events/golden/`. Types are never changed once written: a new shape is a new version, read by an upcaster.

mod codec;
pub mod document;
pub mod registry;
pub mod row;
pub mod session;
pub mod token;
pub mod user;

use crate::{
    definition::{
        AgentDefinition, Definition, LlmDefinition,
        document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
    },
    name::{Name, SessionId},
};
use document::DocumentEvent;
use registry::{ExpiryResumed, ExpirySuspended, Rewritten, WriterElected};
use row::RowEvent;
use session::{SessionConnected, SessionDisconnected, SessionRegistered};
use std::fmt;
use token::{TokenIssued, TokenRevoked};
use user::{Granted, Withdrawn};
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
    /// A project, by name.
    Project(Name),
    /// A personality, by name.
    Personality(Name),
    /// A prompt, by name.
    Prompt(Name),
    /// A publisher's session.
    Session(SessionId),
    /// A token, by name.
    Token(Name),
    /// A user, by name.
    User(Name),
    /// The registry itself, by the id of its log.
    Registry(Uuid),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Llm(name) => write!(f, "llm/{name}"),
            Self::Agent(name) => write!(f, "agent/{name}"),
            Self::Project(name) => write!(f, "project/{name}"),
            Self::Personality(name) => write!(f, "personality/{name}"),
            Self::Prompt(name) => write!(f, "prompt/{name}"),
            Self::Session(id) => write!(f, "session/{id}"),
            Self::Token(name) => write!(f, "token/{name}"),
            Self::User(name) => write!(f, "user/{name}"),
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
    /// A project was made, changed or deleted.
    Project(DocumentEvent<ProjectDefinition>),
    /// A personality was made, changed or deleted.
    Personality(DocumentEvent<PersonalityDefinition>),
    /// A prompt was made, changed or deleted.
    Prompt(DocumentEvent<PromptDefinition>),
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
    /// A user may do something more.
    Granted(Granted),
    /// A user may no longer do that.
    Withdrawn(Withdrawn),
    /// A writer's first commit of its term.
    WriterElected(WriterElected),
    /// Expiry is off for a while, because too much went silent at once or a clock jumped.
    ExpirySuspended(ExpirySuspended),
    /// Expiry is on again.
    ExpiryResumed(ExpiryResumed),
    /// The log was made of another one, from which something was erased.
    Rewritten(Rewritten),
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

/// The same for definitions without a life.
pub trait Documented: Definition {
    /// The subject of a document of this name.
    fn subject(name: Name) -> Subject;
    /// The body of a document's event.
    fn body(event: DocumentEvent<Self>) -> Body;
    /// An event about the document of this name.
    fn event(name: &Name, event: DocumentEvent<Self>) -> Event {
        Event { subject: Self::subject(name.clone()), body: Self::body(event) }
    }
}

impl Documented for ProjectDefinition {
    fn subject(name: Name) -> Subject {
        Subject::Project(name)
    }
    fn body(event: DocumentEvent<Self>) -> Body {
        Body::Project(event)
    }
}

impl Documented for PersonalityDefinition {
    fn subject(name: Name) -> Subject {
        Subject::Personality(name)
    }
    fn body(event: DocumentEvent<Self>) -> Body {
        Body::Personality(event)
    }
}

impl Documented for PromptDefinition {
    fn subject(name: Name) -> Subject {
        Subject::Prompt(name)
    }
    fn body(event: DocumentEvent<Self>) -> Body {
        Body::Prompt(event)
    }
}
