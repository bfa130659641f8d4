//! One publisher's registration as it stands.

use crate::{event::session::Transport, name::Name, time::LogTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A session: it owns rows, belongs to one user and outlives its streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The user that it belongs to.
    pub user_id: Uuid,
    /// How many streams it has had.
    pub epoch: u64,
    /// The stream that is bound now.
    pub connection: Option<Connection>,
    /// Whether the last stream ended because its server process is gone.
    pub node_lost: bool,
    /// Names of the Llms that it owns.
    pub llms: BTreeSet<Name>,
    /// Names of the agents that it owns.
    pub agents: BTreeSet<Name>,
    /// When it was last heard, as far as lifecycle events say.
    pub last_heartbeat_at: LogTime,
    /// When it first registered.
    pub created_at: LogTime,
}

impl Session {
    /// How many rows it owns.
    pub fn rows(&self) -> usize {
        self.llms.len() + self.agents.len()
    }
}

/// Where the stream of a session is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// URL of the server process.
    pub node: String,
    /// Start of that process.
    pub boot_id: Uuid,
    /// Stream or long-poll.
    pub transport: Transport,
}
