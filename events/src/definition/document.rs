//! Projects, personalities and prompts: resources that are nothing but their definition. No publisher stands behind
//! them, so they have no status and are never connected.

use super::Definition;
use crate::name::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What agents work on together: prompts that they share, and tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectDefinition {
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its agents find their tools, in the order in which they are offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServer>,
}

impl Definition for ProjectDefinition {
    const SUBJECT: &'static str = "project";
    const TITLE: &'static str = "Project";
}

/// An MCP server: the name that its tools are known by, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct McpServer {
    /// Unique in its project.
    pub name: Name,
    /// How it is reached.
    pub transport: McpTransport,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum McpTransport {
    /// Streamable HTTP at a URL.
    Http(String),
    /// A program that the server starts, spoken to over its standard input and output.
    Stdio(McpCommand),
}

/// A program, with what it is started with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct McpCommand {
    /// Its name on the server's `PATH`, or its path.
    pub command: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What its environment has besides the server's `PATH` and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
}

/// A value of a program's environment. A secret is named, never written down.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvValue {
    /// The text itself.
    Value(String),
    /// What an environment variable of the server holds when the program is started.
    Env(String),
    /// What a file of the server holds when the program is started.
    File(String),
}

/// A manner of one agent, which a chat may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonalityDefinition {
    /// Whose it is.
    pub agent: Name,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Definition for PersonalityDefinition {
    const SUBJECT: &'static str = "personality";
    const TITLE: &'static str = "Personality";
}

/// A text for the system block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptDefinition {
    /// The text.
    pub content: String,
    /// Among the prompts of one owner, high comes first.
    pub priority: i32,
    /// Whose it is.
    pub owner: PromptOwner,
}

impl Definition for PromptDefinition {
    const SUBJECT: &'static str = "prompt";
    const TITLE: &'static str = "Prompt";
}

/// Whose a prompt is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptOwner {
    /// An agent's.
    Agent(Name),
    /// A project's: all of its agents have it.
    Project(Name),
    /// A personality's.
    Personality(Name),
}
