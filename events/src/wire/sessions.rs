//! Publishers as lists show them.

use serde::{Deserialize, Serialize};

/// One publisher's registration, and what it is busy with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The id that its publisher keeps.
    pub id: String,
    /// Name of the user that it belongs to.
    pub user: Option<String>,
    /// How many streams it has had.
    pub epoch: u64,
    /// Whether its stream is bound right now.
    pub connected: bool,
    /// `sse` or `long-poll`, while it is connected.
    pub transport: Option<String>,
    /// The server process that holds its stream.
    pub node: Option<String>,
    /// When it was last heard.
    pub last_heartbeat_at: Option<String>,
    /// Names of its Llms.
    pub llms: Vec<String>,
    /// Names of its agents.
    pub agents: Vec<String>,
    /// Calls that are open on its stream.
    pub open_calls: u64,
    /// Calls that wait for a place there.
    pub queued_calls: u64,
    /// The first ten of them.
    pub queue: Vec<QueuedCall>,
    /// When it first registered.
    pub created_at: String,
}

/// A call in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueuedCall {
    /// Its place in the line, from 1.
    pub position: u64,
    /// The Llm or pool that was called.
    pub model: String,
    /// How long it has waited, in milliseconds.
    pub waited_ms: u64,
}

/// Who was heard since the event before: an event of the heartbeat stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeats {
    /// Its place on that stream, which counts for itself.
    pub sequence: u64,
    /// When it was written down.
    pub time: String,
    /// When each session was last heard.
    pub sessions: std::collections::BTreeMap<String, String>,
}
