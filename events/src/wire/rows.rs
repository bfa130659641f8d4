//! Llms and agents as lists and single reads show them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A model that can be called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Llm {
    /// UUIDv7, kept through adoption and restore.
    pub id: String,
    /// Unique among Llms.
    pub name: String,
    /// Kind of model server: `openai`, `vllm`, …
    #[serde(rename = "type")]
    pub type_: String,
    /// The model's name at its own server.
    pub model: String,
    /// Base URL; public rows only.
    pub url: Option<String>,
    /// A free word such as `fast`.
    pub tier: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
    /// Llms with the same pool name share calls made to that name.
    pub pool_name: Option<String>,
    /// Where the server reads the API key at call time; public rows only.
    pub api_key_ref: Option<ApiKeyRef>,
    /// A JSON object kept as it is.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub extra_config: Option<Box<RawValue>>,
    /// Calls that may be open on this model at once.
    pub max_concurrent: Option<u32>,
    /// Labels for selectors.
    pub labels: BTreeMap<String, String>,
    /// `public` or `virtual`.
    pub kind: String,
    /// `active`, `inactive` or `hibernating`.
    pub status: String,
    /// Paused by hand; a register does not undo it.
    pub disabled: bool,
    /// Whether the publisher's stream is bound right now; true for public rows.
    pub connected: bool,
    /// When the publisher was last heard.
    pub last_heartbeat_at: Option<String>,
    /// Since when the row is inactive.
    pub inactive_since: Option<String>,
    /// User that the row belongs to.
    pub owner_id: String,
    /// Counts definition changes, from 1.
    pub version: u64,
    /// When the row was first made.
    pub created_at: String,
    /// When its definition last changed.
    pub updated_at: String,
}

/// Where a public Llm's API key is read at call time. Exactly one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyRef {
    /// Name of an environment variable of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Path of a file on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Llms that share calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pool {
    /// Its name: the members' `poolName`, or the name of the only one.
    pub pool_name: String,
    /// Whether the members name it; else it is a single Llm without a pool.
    pub explicit: bool,
    /// How many members it has.
    pub size: u64,
    /// How many of them are active.
    pub active_count: u64,
    /// The members, by name.
    pub members: Vec<Llm>,
}

/// A named persona pinned to one Llm, or to a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// UUIDv7, kept through adoption and restore.
    pub id: String,
    /// Unique among agents.
    pub name: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// The persona.
    pub system_prompt: Option<String>,
    /// What it is pinned to; `id` is null for a pool.
    pub llm: LlmRef,
    /// Its project.
    pub project: Option<ProjectRef>,
    /// Personality used when a chat names none.
    pub default_personality: Option<String>,
    /// Model name shown by proxies in place of the agent's own.
    pub proxy_model_name: Option<String>,
    /// Sampling defaults, in the model API's own spelling.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub default_params: Option<Box<RawValue>>,
    /// A JSON object kept as it is.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub extras: Option<Box<RawValue>>,
    /// Labels for selectors.
    pub labels: BTreeMap<String, String>,
    /// `public` or `virtual`.
    pub kind: String,
    /// `active` or `inactive`.
    pub status: String,
    /// Paused by hand; a register does not undo it.
    pub disabled: bool,
    /// Whether the publisher's stream is bound right now; true for public rows.
    pub connected: bool,
    /// When the publisher was last heard.
    pub last_heartbeat_at: Option<String>,
    /// Since when the row is inactive.
    pub inactive_since: Option<String>,
    /// User that the row belongs to.
    pub owner_id: String,
    /// Counts definition changes, from 1.
    pub version: u64,
    /// When the row was first made.
    pub created_at: String,
    /// When its definition last changed.
    pub updated_at: String,
}

/// What an agent is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LlmRef {
    /// Null for a pool.
    pub id: Option<String>,
    /// Name of the Llm or of the pool.
    pub name: String,
}

/// The project of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectRef {
    /// UUIDv7.
    pub id: String,
    /// Its name.
    pub name: String,
}
