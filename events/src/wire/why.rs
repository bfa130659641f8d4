//! How an agent, an Llm or a pool stands at one moment, with all that its being callable hangs on.

use serde::{Deserialize, Serialize};

/// What an explanation is made of, besides the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Facts {
    /// The last sequence that is looked at.
    pub sequence: u64,
    /// Now by the server's clock; where an earlier point was asked for, that time, or the time of that event.
    pub time: String,
    /// Whether an earlier point was asked for.
    pub past: bool,
    /// The row; none where it is not there.
    pub row: Option<Standing>,
    /// The Llm that an agent is pinned to; none where that is gone, or a pool.
    pub llm: Option<Standing>,
    /// The pool that an agent is pinned to, or that has the name of an Llm that was asked for and is not there.
    pub pool: Option<PoolStanding>,
    /// When sessions that went silent are expired again, while they are not.
    pub expiry_suspended_until: Option<String>,
    /// What the server was told to wait for.
    pub limits: Limits,
    /// What befell the whole registry of late, the newest first.
    pub registry: Vec<RegistryEvent>,
}

/// An election of a writer, or a suspension of expiry or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryEvent {
    /// Its sequence.
    pub sequence: u64,
    /// When it was decided.
    pub time: String,
    /// `writer_elected`, `expiry_suspended` or `expiry_resumed`.
    pub what: String,
    /// Suspension: `mass_silence` or `clock_step`.
    pub reason: Option<String>,
}

/// How a row stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// `public` or `virtual`.
    pub kind: String,
    /// `active`, `inactive` or `hibernating`.
    pub status: String,
    /// Paused by hand.
    pub disabled: bool,
    /// Whether the publisher's stream is bound; true for public rows.
    pub connected: bool,
    /// What an agent is pinned to: the name of an Llm or a pool.
    pub pin: Option<String>,
    /// The publisher that it belongs to; none for public rows, and for those that no publisher offers any more.
    pub publisher: Option<Publisher>,
    /// Name of the user that it belongs to.
    pub owner: Option<String>,
    /// When the publisher was last heard.
    pub last_heartbeat_at: Option<String>,
    /// Since when it is inactive.
    pub inactive_since: Option<String>,
    /// When its publisher counts as gone unless it is heard before. The next sweep sees it.
    pub expires_at: Option<String>,
    /// When it was inactive for long enough to be deleted. The next sweep sees it.
    pub deleted_after: Option<String>,
    /// Why it would not be deleted all the same.
    pub held_by: Option<String>,
}

impl Standing {
    /// Whether calls reach it by itself, or can wake it: what it is pinned to is not looked at.
    pub fn is_up(&self) -> bool {
        self.status != "inactive" && self.connected && !self.disabled
    }
}

/// A publisher's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Publisher {
    /// The id that it keeps.
    pub session: String,
    /// Name of the user that it belongs to.
    pub user: Option<String>,
}

/// How a pool stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolStanding {
    /// Its name.
    pub name: String,
    /// Its members, by name.
    pub members: Vec<Standing>,
}

/// How long the server waits, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Limits {
    /// Silence after which a publisher counts as gone.
    pub heartbeat_timeout_ms: u64,
    /// How long inactive rows are kept.
    pub inactive_retention_ms: u64,
    /// How long a publisher has to come back after its stream ended.
    pub disconnect_grace_ms: u64,
    /// Time between two sweeps.
    pub gc_interval_ms: u64,
}
