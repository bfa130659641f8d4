//! The life of a publisher's session.

use crate::name::Name;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A session began: its publisher registered for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRegistered {
    /// The user that the session belongs to.
    pub user_id: Uuid,
    /// That user's name.
    pub user: Name,
}

/// How a session's tasks reach its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A server-sent event stream.
    Sse,
    /// Requests that wait for tasks.
    LongPoll,
}

/// A stream was bound to a session; it supersedes the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionConnected {
    /// Number of the stream within the session, from 1.
    pub epoch: u64,
    /// URL of the server process that holds the stream.
    pub node: String,
    /// Start of that process.
    pub boot_id: Uuid,
    /// Stream or long-poll.
    pub transport: Transport,
}

/// Why a stream is no longer bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// The connection ended, or no poll was open for too long.
    Closed,
    /// The server process that held it is gone.
    NodeLost,
}

/// The stream of a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDisconnected {
    /// Number of the stream that ended.
    pub epoch: u64,
    /// Why.
    pub cause: StreamEnd,
}
