//! The life of an Llm or an agent.

use crate::{name::SessionId, time::LogTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = RowStatus))]
pub enum Status {
    /// Can be called.
    Active,
    /// Its publisher is gone.
    Inactive,
    /// Published, asleep, can be woken.
    Hibernating,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Hibernating => "hibernating",
        }
    }
}

/// How a row is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = RowKind))]
pub enum Kind {
    /// By URL, from the server.
    Public,
    /// Through its publisher's stream only.
    Virtual,
}

impl Kind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Virtual => "virtual",
        }
    }
}

/// Why something happened to a row. The words are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its publisher registered it.
    Registered,
    /// Another session of the same user registered it.
    Adopted,
    /// Registered again after the sweep had deleted it.
    Restored,
    /// Its publisher's stream was opened again.
    Reconnected,
    /// Its publisher was heard again.
    Heartbeat,
    /// By hand.
    User,
    /// Its publisher's stream ended.
    Disconnected,
    /// The server process that held the stream is gone.
    NodeLost,
    /// Its publisher was silent for too long.
    HeartbeatStale,
    /// Its publisher no longer declares it.
    Withdrawn,
    /// It was woken.
    Woken,
    /// It could not be woken.
    WakeFailed,
    /// Its publisher put it to sleep.
    Slept,
    /// It was inactive for too long.
    Retention,
    /// Its Llm was deleted.
    LlmDeleted,
}

impl Cause {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Adopted => "adopted",
            Self::Restored => "restored",
            Self::Reconnected => "reconnected",
            Self::Heartbeat => "heartbeat",
            Self::User => "user",
            Self::Disconnected => "disconnected",
            Self::NodeLost => "node_lost",
            Self::HeartbeatStale => "heartbeat_stale",
            Self::Withdrawn => "withdrawn",
            Self::Woken => "woken",
            Self::WakeFailed => "wake_failed",
            Self::Slept => "slept",
            Self::Retention => "retention",
            Self::LlmDeleted => "llm_deleted",
        }
    }
}

/// What happened to a row. `D` is its definition.
#[derive(Debug, Clone, PartialEq)]
pub enum RowEvent<D> {
    /// A publisher registered a new name.
    Registered(Appeared<D>),
    /// A name that the sweep had deleted came back with its old id.
    Restored(Appeared<D>),
    /// A public row was made by hand.
    Created(Appeared<D>),
    /// The definition changed.
    Updated(Updated<D>),
    /// The row became active.
    Activated(Transition),
    /// The row went to sleep, or came back asleep.
    Hibernated(Transition),
    /// The row became inactive.
    Deactivated(Transition),
    /// A wake failed; the row stays hibernating.
    WakeFailed(WakeFailed),
    /// The row was paused by hand.
    Disabled(Switched),
    /// The pause ended.
    Enabled(Switched),
    /// The row is gone.
    Deleted(Deleted),
}

/// A row that is there now and was not before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Appeared<D> {
    /// Why.
    pub cause: Cause,
    /// Always null.
    pub from: Option<Status>,
    /// Its first status.
    pub to: Status,
    /// UUIDv7.
    pub id: Uuid,
    /// How it is reached.
    pub kind: Kind,
    /// The user that it belongs to.
    pub owner_id: Uuid,
    /// The publisher's session; virtual rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Counts definition changes, from 1; goes on where it was after a restore.
    pub version: u64,
    /// All of its definition.
    pub definition: Arc<D>,
}

/// A change of definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Updated<D> {
    /// Why.
    pub cause: Cause,
    /// Status before.
    pub from: Status,
    /// Status after; a virtual row that a person takes over becomes public and active.
    pub to: Status,
    /// How it is reached from now on.
    pub kind: Kind,
    /// The new version.
    pub version: u64,
    /// All of its new definition.
    pub definition: Arc<D>,
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Why.
    pub cause: Cause,
    /// Status before.
    pub from: Status,
    /// Status after.
    pub to: Status,
    /// The session that the row belongs to after this; none once it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When the publisher was last heard, as the writer knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat_at: Option<LogTime>,
    /// Expiry: what was last heard before this was too old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<LogTime>,
    /// Expiry: the sweep that found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_id: Option<Uuid>,
    /// Waking: how long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
}

impl Transition {
    /// A change without evidence.
    pub fn new(cause: Cause, from: Status, to: Status, session_id: Option<SessionId>) -> Self {
        Self { cause, from, to, session_id, last_heartbeat_at: None, cutoff: None, sweep_id: None, latency_ms: None }
    }
}

/// A wake that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WakeFailed {
    /// Always `wake_failed`.
    pub cause: Cause,
    /// Status before.
    pub from: Status,
    /// Status after, the same.
    pub to: Status,
    /// The publisher's words.
    pub reason: String,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
}

/// A pause, or its end: the status stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// Why.
    pub cause: Cause,
    /// Status before.
    pub from: Status,
    /// Status after, the same.
    pub to: Status,
}

/// A row that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// Why.
    pub cause: Cause,
    /// Status before.
    pub from: Status,
    /// Always null.
    pub to: Option<Status>,
    /// The id that it had.
    pub id: Uuid,
    /// Retention: since when it was inactive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_since: Option<LogTime>,
    /// When the publisher was last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat_at: Option<LogTime>,
    /// Retention: what was inactive before this was kept long enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<LogTime>,
    /// Retention: the sweep that found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_id: Option<Uuid>,
}
