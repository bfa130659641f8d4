//! Projects, personalities and prompts as lists and single reads show them.

use super::rows::ApiKeyRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What agents work on together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    /// UUIDv7.
    pub id: String,
    /// Unique among projects.
    pub name: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// Where its agents find their tools.
    pub mcp_servers: Vec<McpServer>,
    /// User who made it.
    pub owner_id: String,
    /// Counts changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}

/// An MCP server: `url`, or `command` with what it is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct McpServer {
    /// Unique in its project; its tools are offered as `<name>__<tool>`.
    pub name: String,
    /// Streamable HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A program that the server starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The program's arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The program's environment: a text, or where the server reads the value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
}

/// A value of a program's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EnvValue {
    /// The text itself.
    Text(String),
    /// Where the server reads it when it starts the program.
    From(ApiKeyRef),
}

/// A manner of one agent, which a chat may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Personality {
    /// UUIDv7.
    pub id: String,
    /// Unique among personalities.
    pub name: String,
    /// Name of the agent.
    pub agent: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// User who made it.
    pub owner_id: String,
    /// Counts changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}

/// A text for the system block of an agent, of a project's agents, or of a personality: one of the three is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Prompt {
    /// UUIDv7.
    pub id: String,
    /// Unique among prompts.
    pub name: String,
    /// The text.
    pub content: String,
    /// Among the prompts of one owner, high comes first.
    pub priority: i32,
    /// Name of the agent.
    pub agent: Option<String>,
    /// Name of the project.
    pub project: Option<String>,
    /// Name of the personality.
    pub personality: Option<String>,
    /// User who made it.
    pub owner_id: String,
    /// Counts changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}
