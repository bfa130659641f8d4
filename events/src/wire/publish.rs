//! The publisher's side: registering, the task stream, heartbeats, results.

use super::rows::{Agent, Llm};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Most bytes of one frame to a publisher. A call that would be longer is refused: its publisher has to hold it whole.
pub const MAX_FRAME: usize = 64 << 20;

/// Body of `POST /api/v1/llms/_provider-register`: the session's full declaration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// The publisher's own sticky id; left out, the server makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_session_id: Option<String>,
    /// The models that it publishes.
    pub providers: Vec<Provider>,
    /// The agents that it publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentEntry>,
}

/// One model in a [`Register`]. Optional fields left out keep the row's old value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Unique name of the Llm in the registry.
    pub name: String,
    /// Kind of model server, for people: `openai`, `vllm`, `ollama`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The model's name at its own server.
    pub model: String,
    /// A free word such as `fast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Llms with the same pool name share calls made to that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_name: Option<String>,
    /// A JSON object kept as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<Box<RawValue>>,
    /// `active` (default) or `hibernating`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_status: Option<String>,
    /// Calls that the server may have open on this model at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Longest time that a wake may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_seconds: Option<u32>,
    /// Labels for selectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// One agent in a [`Register`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentEntry {
    /// Unique name of the agent in the registry.
    pub name: String,
    /// The Llm or pool that it is pinned to.
    pub llm_name: String,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The persona.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Name of the project; left out, the agent is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Sampling defaults in the model API's own spelling, a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_params: Option<Box<RawValue>>,
    /// A JSON object kept as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extras: Option<Box<RawValue>>,
    /// Labels for selectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Answer to a [`Register`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registered {
    /// The session that now owns the rows.
    pub provider_session_id: String,
    /// How many streams the session has had; 0 before the first.
    pub epoch: u64,
    /// The session's models, in the order of the request.
    pub llms: Vec<Llm>,
    /// The session's agents, in the order of the request.
    pub agents: Vec<Agent>,
}

/// First event (`hello`) of a task stream, or part of the first long-poll.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The session that the stream is bound to.
    pub provider_session_id: String,
    /// Number of this stream within the session.
    pub epoch: u64,
    /// Seconds between two `: ping` comments.
    pub ping_seconds: f64,
}

/// Last event (`goodbye`) of a stream that the server ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Goodbye {
    /// `shutdown` or `superseded`.
    pub reason: String,
}

/// Body of `POST /api/v1/llms/_provider-heartbeat`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The session whose lease is renewed.
    pub provider_session_id: String,
}

/// Answer to a [`Heartbeat`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatSeen {
    /// Whether a stream of the session is bound right now.
    pub connected: bool,
    /// How many Llms the heartbeat covers.
    pub llms: u64,
    /// How many agents the heartbeat covers.
    pub agents: u64,
}

/// When the pieces of a body arrived that was sent to see whether they pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Arrivals {
    /// Milliseconds after the head of the request.
    pub at_ms: Vec<u64>,
}
