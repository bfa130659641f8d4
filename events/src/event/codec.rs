//! Events as JSON: `{"type": …, "subject": …, "data": …}`, in this order.
//!
//! The type comes before the data, so that data is read straight into its own type, in one pass.

use super::{
    Body, Event, Subject,
    document::DocumentEvent,
    registry::{ExpiryResumed, ExpirySuspended, Rewritten, WriterElected},
    row::RowEvent,
    session::{SessionConnected, SessionDisconnected, SessionRegistered},
    token::{TokenIssued, TokenRevoked},
    user::{Granted, Withdrawn},
};
use crate::{
    definition::Definition,
    name::{Name, SessionId},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess},
    ser::SerializeStruct,
};
use std::{borrow::Cow, fmt};
use uuid::Uuid;

impl Event {
    /// The CloudEvents type, for example `mcpctl.agent.deactivated.v1`.
    pub fn type_name(&self) -> &'static str {
        match &self.body {
            Body::Llm(event) => llm_type(event),
            Body::Agent(event) => agent_type(event),
            Body::Project(event) => project_type(event),
            Body::Personality(event) => personality_type(event),
            Body::Prompt(event) => prompt_type(event),
            Body::SessionRegistered(_) => "mcpctl.session.registered.v1",
            Body::SessionConnected(_) => "mcpctl.session.connected.v1",
            Body::SessionDisconnected(_) => "mcpctl.session.disconnected.v1",
            Body::TokenIssued(_) => "mcpctl.token.issued.v1",
            Body::TokenRevoked(_) => "mcpctl.token.revoked.v1",
            Body::Granted(_) => "mcpctl.user.granted.v1",
            Body::Withdrawn(_) => "mcpctl.user.withdrawn.v1",
            Body::WriterElected(_) => "mcpctl.registry.writer_elected.v1",
            Body::ExpirySuspended(_) => "mcpctl.registry.expiry_suspended.v1",
            Body::ExpiryResumed(_) => "mcpctl.registry.expiry_resumed.v1",
            Body::Rewritten(_) => "mcpctl.registry.rewritten.v1",
        }
    }
}

macro_rules! row_types {
    ($function:ident, $resource:literal) => {
        fn $function<D>(event: &RowEvent<D>) -> &'static str {
            match event {
                RowEvent::Registered(_) => concat!("mcpctl.", $resource, ".registered.v1"),
                RowEvent::Restored(_) => concat!("mcpctl.", $resource, ".restored.v1"),
                RowEvent::Created(_) => concat!("mcpctl.", $resource, ".created.v1"),
                RowEvent::Updated(_) => concat!("mcpctl.", $resource, ".updated.v1"),
                RowEvent::Activated(_) => concat!("mcpctl.", $resource, ".activated.v1"),
                RowEvent::Hibernated(_) => concat!("mcpctl.", $resource, ".hibernated.v1"),
                RowEvent::Deactivated(_) => concat!("mcpctl.", $resource, ".deactivated.v1"),
                RowEvent::WakeFailed(_) => concat!("mcpctl.", $resource, ".wake_failed.v1"),
                RowEvent::Disabled(_) => concat!("mcpctl.", $resource, ".disabled.v1"),
                RowEvent::Enabled(_) => concat!("mcpctl.", $resource, ".enabled.v1"),
                RowEvent::Deleted(_) => concat!("mcpctl.", $resource, ".deleted.v1"),
            }
        }
    };
}
row_types!(llm_type, "llm");
row_types!(agent_type, "agent");

macro_rules! document_types {
    ($function:ident, $resource:literal) => {
        fn $function<D>(event: &DocumentEvent<D>) -> &'static str {
            match event {
                DocumentEvent::Created(_) => concat!("mcpctl.", $resource, ".created.v1"),
                DocumentEvent::Updated(_) => concat!("mcpctl.", $resource, ".updated.v1"),
                DocumentEvent::Deleted(_) => concat!("mcpctl.", $resource, ".deleted.v1"),
            }
        }
    };
}
document_types!(project_type, "project");
document_types!(personality_type, "personality");
document_types!(prompt_type, "prompt");

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("Event", 3)?;
        event.serialize_field("type", self.type_name())?;
        event.serialize_field("subject", &self.subject)?;
        event.serialize_field("data", &self.body)?;
        event.end()
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Llm(event) => event.serialize(serializer),
            Self::Agent(event) => event.serialize(serializer),
            Self::Project(event) => event.serialize(serializer),
            Self::Personality(event) => event.serialize(serializer),
            Self::Prompt(event) => event.serialize(serializer),
            Self::SessionRegistered(data) => data.serialize(serializer),
            Self::SessionConnected(data) => data.serialize(serializer),
            Self::SessionDisconnected(data) => data.serialize(serializer),
            Self::TokenIssued(data) => data.serialize(serializer),
            Self::TokenRevoked(data) => data.serialize(serializer),
            Self::Granted(data) => data.serialize(serializer),
            Self::Withdrawn(data) => data.serialize(serializer),
            Self::WriterElected(data) => data.serialize(serializer),
            Self::ExpirySuspended(data) => data.serialize(serializer),
            Self::ExpiryResumed(data) => data.serialize(serializer),
            Self::Rewritten(data) => data.serialize(serializer),
        }
    }
}

impl<D: Serialize> Serialize for RowEvent<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Registered(data) | Self::Restored(data) | Self::Created(data) => data.serialize(serializer),
            Self::Updated(data) => data.serialize(serializer),
            Self::Activated(data) | Self::Hibernated(data) | Self::Deactivated(data) => data.serialize(serializer),
            Self::WakeFailed(data) => data.serialize(serializer),
            Self::Disabled(data) | Self::Enabled(data) => data.serialize(serializer),
            Self::Deleted(data) => data.serialize(serializer),
        }
    }
}

impl<D: Serialize> Serialize for DocumentEvent<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Created(data) => data.serialize(serializer),
            Self::Updated(data) => data.serialize(serializer),
            Self::Deleted(data) => data.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> de::Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event {type, subject, data}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        expect_key(&mut map, "type")?;
        let Text(type_name) = map.next_value()?;
        expect_key(&mut map, "subject")?;
        let Text(subject_text) = map.next_value()?;
        expect_key(&mut map, "data")?;
        let body = map.next_value_seed(BodySeed(&type_name))?;
        if map.next_key::<Text<'de>>()?.is_some() {
            return Err(de::Error::custom("an event has only `type`, `subject` and `data`"));
        }
        Ok(Event { subject: subject_of::<A::Error>(&body, &subject_text)?, body })
    }
}

/// Borrowed from the record where it has no escapes: a bare `Cow` is always copied.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn expect_key<'de, A: MapAccess<'de>>(map: &mut A, name: &'static str) -> Result<(), A::Error> {
    match map.next_key::<Text<'de>>()? {
        Some(Text(key)) if key == name => Ok(()),
        _ => Err(de::Error::missing_field(name)),
    }
}

/// Reads the subject as the resource that the body speaks of.
fn subject_of<E: de::Error>(body: &Body, text: &str) -> Result<Subject, E> {
    let (resource, id) = text.split_once('/').ok_or_else(|| E::custom("a subject is `resource/name`"))?;
    let name = || Name::parse(id).map_err(E::custom);
    let (expected, subject) = match body {
        Body::Llm(_) => ("llm", Subject::Llm(name()?)),
        Body::Agent(_) => ("agent", Subject::Agent(name()?)),
        Body::Project(_) => ("project", Subject::Project(name()?)),
        Body::Personality(_) => ("personality", Subject::Personality(name()?)),
        Body::Prompt(_) => ("prompt", Subject::Prompt(name()?)),
        Body::SessionRegistered(_) | Body::SessionConnected(_) | Body::SessionDisconnected(_) => {
            ("session", Subject::Session(SessionId::parse(id).map_err(E::custom)?))
        }
        Body::TokenIssued(_) | Body::TokenRevoked(_) => ("token", Subject::Token(name()?)),
        Body::Granted(_) | Body::Withdrawn(_) => ("user", Subject::User(name()?)),
        Body::WriterElected(_) | Body::ExpirySuspended(_) | Body::ExpiryResumed(_) | Body::Rewritten(_) => {
            ("registry", Subject::Registry(Uuid::parse_str(id).map_err(E::custom)?))
        }
    };
    if resource == expected { Ok(subject) } else { Err(E::custom(format_args!("subject `{text}` is no {expected}"))) }
}

struct BodySeed<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<Body, D::Error> {
        let unknown = || de::Error::custom(format_args!("unknown event type `{}`", self.0));
        let name = self.0.strip_prefix("mcpctl.").ok_or_else(unknown)?;
        let (resource, what) = name.split_once('.').ok_or_else(unknown)?;
        match (resource, what) {
            ("llm", _) => row_event(what, data, unknown).map(Body::Llm),
            ("agent", _) => row_event(what, data, unknown).map(Body::Agent),
            ("project", _) => document_event(what, data, unknown).map(Body::Project),
            ("personality", _) => document_event(what, data, unknown).map(Body::Personality),
            ("prompt", _) => document_event(what, data, unknown).map(Body::Prompt),
            ("session", "registered.v1") => SessionRegistered::deserialize(data).map(Body::SessionRegistered),
            ("session", "connected.v1") => SessionConnected::deserialize(data).map(Body::SessionConnected),
            ("session", "disconnected.v1") => SessionDisconnected::deserialize(data).map(Body::SessionDisconnected),
            ("token", "issued.v1") => TokenIssued::deserialize(data).map(Body::TokenIssued),
            ("token", "revoked.v1") => TokenRevoked::deserialize(data).map(Body::TokenRevoked),
            ("user", "granted.v1") => Granted::deserialize(data).map(Body::Granted),
            ("user", "withdrawn.v1") => Withdrawn::deserialize(data).map(Body::Withdrawn),
            ("registry", "writer_elected.v1") => WriterElected::deserialize(data).map(Body::WriterElected),
            ("registry", "expiry_suspended.v1") => ExpirySuspended::deserialize(data).map(Body::ExpirySuspended),
            ("registry", "expiry_resumed.v1") => ExpiryResumed::deserialize(data).map(Body::ExpiryResumed),
            ("registry", "rewritten.v1") => Rewritten::deserialize(data).map(Body::Rewritten),
            _ => Err(unknown()),
        }
    }
}

fn row_event<'de, T, D>(what: &str, data: D, unknown: impl FnOnce() -> D::Error) -> Result<RowEvent<T>, D::Error>
where
    T: Definition + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(match what {
        "registered.v1" => RowEvent::Registered(Deserialize::deserialize(data)?),
        "restored.v1" => RowEvent::Restored(Deserialize::deserialize(data)?),
        "created.v1" => RowEvent::Created(Deserialize::deserialize(data)?),
        "updated.v1" => RowEvent::Updated(Deserialize::deserialize(data)?),
        "activated.v1" => RowEvent::Activated(Deserialize::deserialize(data)?),
        "hibernated.v1" => RowEvent::Hibernated(Deserialize::deserialize(data)?),
        "deactivated.v1" => RowEvent::Deactivated(Deserialize::deserialize(data)?),
        "wake_failed.v1" => RowEvent::WakeFailed(Deserialize::deserialize(data)?),
        "disabled.v1" => RowEvent::Disabled(Deserialize::deserialize(data)?),
        "enabled.v1" => RowEvent::Enabled(Deserialize::deserialize(data)?),
        "deleted.v1" => RowEvent::Deleted(Deserialize::deserialize(data)?),
        _ => return Err(unknown()),
    })
}

fn document_event<'de, T, D>(
    what: &str,
    data: D,
    unknown: impl FnOnce() -> D::Error,
) -> Result<DocumentEvent<T>, D::Error>
where
    T: Definition + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(match what {
        "created.v1" => DocumentEvent::Created(Deserialize::deserialize(data)?),
        "updated.v1" => DocumentEvent::Updated(Deserialize::deserialize(data)?),
        "deleted.v1" => DocumentEvent::Deleted(Deserialize::deserialize(data)?),
        _ => return Err(unknown()),
    })
}
