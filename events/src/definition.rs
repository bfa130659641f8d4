//! What people and publishers define of a resource, apart from its life.

pub mod document;

use crate::{json::Json, name::Name, wire::rows::ApiKeyRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Labels for selectors.
pub type Labels = BTreeMap<String, String>;

/// What makes a resource type of the registry.
pub trait Definition: Clone + PartialEq + std::fmt::Debug {
    /// First part of the subject, as in `llm/qwen`.
    const SUBJECT: &'static str;
    /// The word in messages to people.
    const TITLE: &'static str;
}

/// Definition of an Llm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LlmDefinition {
    /// Kind of model server: `openai`, `vllm`, …
    #[serde(rename = "type")]
    pub type_: String,
    /// The model's name at its own server.
    pub model: String,
    /// Base URL; public rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A free word such as `fast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Pool that shares calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_name: Option<Name>,
    /// Where the API key is read at call time; public rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_ref: Option<ApiKeyRef>,
    /// A JSON object kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<Json>,
    /// Calls that may be open at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Longest time that a wake may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait_seconds: Option<u32>,
    /// Labels for selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
}

impl LlmDefinition {
    /// Says the least there is to say.
    pub fn new(type_: &str, model: &str) -> Self {
        Self {
            type_: type_.to_owned(),
            model: model.to_owned(),
            url: None,
            tier: None,
            description: None,
            pool_name: None,
            api_key_ref: None,
            extra_config: None,
            max_concurrent: None,
            max_wait_seconds: None,
            labels: Labels::new(),
        }
    }
}

impl Definition for LlmDefinition {
    const SUBJECT: &'static str = "llm";
    const TITLE: &'static str = "Llm";
}

/// Definition of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinition {
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The persona.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// What it is pinned to.
    pub llm: Pin,
    /// Its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// Personality used when a chat names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_personality: Option<Name>,
    /// Model name shown by proxies in place of the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_model_name: Option<String>,
    /// Sampling defaults, in the model API's own spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_params: Option<Json>,
    /// A JSON object kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<Json>,
    /// Labels for selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
}

impl Definition for AgentDefinition {
    const SUBJECT: &'static str = "agent";
    const TITLE: &'static str = "Agent";
}

/// What an agent is pinned to: one Llm by its id, or a pool by its name (`id` is null).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The Llm's id; null for a pool.
    pub id: Option<Uuid>,
    /// Name of the Llm or of the pool.
    pub name: Name,
}
