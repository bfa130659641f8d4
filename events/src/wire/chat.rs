//! Chatting with an agent, and its threads.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Body of `POST /api/v1/agents/:name/chat`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatRequest {
    /// What the user says.
    #[cfg_attr(feature = "openapi", schema(min_length = 1))]
    pub message: String,
    /// Thread to go on with; left out, a new one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Title of a new thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether to answer as server-sent [`ChatEvent`]s.
    #[serde(default)]
    pub stream: bool,
    /// Personality whose prompts join the system block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"))]
    pub personality: Option<String>,
    /// Replaces the agent's own system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Added at the end of the system block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_append: Option<String>,
    /// Sampling parameters in the model API's own spelling; members of `extra` go to the request's top level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub params: Option<Box<RawValue>>,
    /// Names or globs of the project's tools that may run; left out, all; empty, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_tools: Option<Vec<String>>,
    /// How often the model may be asked in this turn, 1 to 100; 10 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub max_iterations: Option<u32>,
}

/// Answer of a chat that is not streamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatReply {
    /// The thread that holds the turn.
    pub thread_id: String,
    /// The reply's text.
    pub assistant: String,
    /// Position of the reply in the thread, from 0.
    pub turn_index: u64,
    /// The model's own word: `stop`, `length`, …
    pub finish_reason: Option<String>,
    /// Token counts as the model server gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub usage: Option<Box<RawValue>>,
}

/// One `data:` event of a streamed chat.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ChatEvent {
    /// A piece of the reply.
    Text {
        /// The piece.
        delta: String,
    },
    /// A piece of the model's reasoning.
    Thinking {
        /// The piece.
        delta: String,
    },
    /// The model asks for a tool.
    ToolCall {
        /// The model's own id of this call.
        id: String,
        /// The tool.
        name: String,
        /// A JSON object as the model wrote it.
        arguments: String,
    },
    /// A tool's answer, which the model gets.
    ToolResult {
        /// The call that it answers.
        id: String,
        /// The tool.
        name: String,
        /// Its text.
        content: String,
        /// Whether the tool, or the way to it, failed.
        #[serde(rename = "isError")]
        is_error: bool,
    },
    /// The turn is complete and stored.
    Final {
        /// The thread that holds the turn.
        #[serde(rename = "threadId")]
        thread_id: String,
        /// Position of the reply in the thread, from 0.
        #[serde(rename = "turnIndex")]
        turn_index: u64,
    },
    /// The turn failed; nothing follows.
    Error {
        /// One clear sentence.
        error: String,
        /// A stable word for programs.
        code: String,
    },
}

/// A conversation of one user with one agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Thread {
    /// UUIDv7.
    pub id: String,
    /// Given, or the first words of the first message.
    pub title: String,
    /// The agent's id.
    pub agent_id: String,
    /// When the thread began.
    pub created_at: String,
    /// When its last turn was made.
    pub last_turn_at: String,
}

/// One message of a thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Position in the thread, from 0.
    pub turn_index: u64,
    /// `user`, `assistant` or `tool`.
    pub role: String,
    /// Text; null while pending.
    pub content: Option<String>,
    /// Tool calls as the model made them.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Object>>))]
    pub tool_calls: Option<Box<RawValue>>,
    /// Of a tool's message: the call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// `pending`, `complete` or `error`.
    pub status: String,
    /// When it was made.
    pub created_at: String,
}

/// The tools of an agent's project, as its MCP servers list them now.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentTools {
    /// The servers of the project.
    pub servers: Vec<ToolServer>,
    /// Their tools.
    pub tools: Vec<Tool>,
}

/// An MCP server of a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolServer {
    /// Its name in the project.
    pub name: String,
    /// Why it has no tools now, or not all of them.
    pub problem: Option<String>,
}

/// A tool that the agent's model is offered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tool {
    /// The name that the model knows it by.
    pub name: String,
    /// The server that has it.
    pub server: String,
    /// What it does.
    pub description: Option<String>,
    /// Whether it is among those that were asked for.
    pub allowed: bool,
    /// JSON Schema of its arguments.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub input_schema: Box<RawValue>,
}
