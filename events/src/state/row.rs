//! One Llm or agent as it stands.

use crate::{
    definition::{AgentDefinition, LlmDefinition},
    event::row::{Kind, Status},
    name::{Name, SessionId},
    time::LogTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// A row of the registry. `D` is its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row<D> {
    /// UUIDv7, kept through adoption and restore.
    pub id: Uuid,
    /// Unique among its kind of row.
    pub name: Name,
    /// How it is reached.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// The status that it comes back to when its publisher is heard again.
    pub awake_status: Status,
    /// Paused by hand.
    pub disabled: bool,
    /// The session that publishes it; none for public rows and released ones.
    pub session: Option<SessionId>,
    /// The user that it belongs to.
    pub owner: Uuid,
    /// Counts definition changes, from 1.
    pub version: u64,
    /// What it is.
    pub definition: Arc<D>,
    /// When its publisher was last heard, as far as lifecycle events say.
    pub last_heartbeat_at: Option<LogTime>,
    /// Since when it is inactive.
    pub inactive_since: Option<LogTime>,
    /// When it was first made.
    pub created_at: LogTime,
    /// When its definition last changed.
    pub updated_at: LogTime,
}

impl<D> Row<D> {
    /// Whether its publisher is there, asleep or not; always true for public rows.
    pub fn is_live(&self) -> bool {
        self.status != Status::Inactive
    }
}

/// An Llm as it stands.
pub type Llm = Row<LlmDefinition>;
/// An agent as it stands.
pub type Agent = Row<AgentDefinition>;
