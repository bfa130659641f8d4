//! From a turn to the request that the model gets.

use super::persona::{self, Wish};
use crate::{
    error::ApiError,
    json::{Fields, Problems},
    request::ModelRequest,
};
use mcpctl_events::{definition::AgentDefinition, json::Json, name::Name};
use mcpctl_projector::store::work::Message;
use serde::Serialize;

/// What a caller asks of an agent.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What the user says.
    pub message: String,
    /// Thread to go on with.
    pub thread_id: Option<String>,
    /// Title of a new thread.
    pub title: Option<String>,
    /// Whether to stream.
    pub stream: bool,
    /// Personality to speak with.
    pub personality: Option<Name>,
    /// In place of the agent's own prompt.
    pub system_prompt: Option<String>,
    /// After everything else in the system block.
    pub system_append: Option<String>,
    /// Over the agent's defaults.
    pub params: Option<Json>,
}

impl Turn {
    /// What it wants of the agent's system block.
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            personality: self.personality.as_ref(),
            own: self.system_prompt.as_deref(),
            append: self.system_append.as_deref(),
        }
    }

    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let problems = Problems::default();
        let mut fields = Fields::parse(body, &problems)?;
        let message = fields.required_string("message");
        let (thread_id, title) = (fields.string("threadId"), fields.string("title"));
        let stream = fields.flag("stream").unwrap_or(false);
        let personality = fields.name("personality");
        let (system_prompt, system_append) = (fields.string("systemPrompt"), fields.string("systemAppend"));
        let params = fields.params("params");
        // No project has tools yet, so there is nothing that a list could allow or forbid.
        fields.array("allowTools");
        fields.refuse_unknown();
        problems.check(message.map(|message| Self {
            message,
            thread_id,
            title,
            stream,
            personality,
            system_prompt,
            system_append,
            params,
        }))
    }
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'a str,
    content: &'a str,
}

/// The request: system block, history, and parameters in the model API's own spelling.
pub(super) fn build(
    agent: &AgentDefinition,
    system: &str,
    turn: &Turn,
    history: &[Message],
) -> Result<ModelRequest, ApiError> {
    let mut said = Vec::with_capacity(history.len() + 1);
    if !system.is_empty() {
        said.push(Said { role: "system", content: system });
    }
    said.extend(history.iter().map(|m| Said { role: &m.role, content: m.content.as_deref().unwrap_or_default() }));
    let mut body = Vec::new();
    body.extend_from_slice(b"{\"messages\":");
    serde_json::to_writer(&mut body, &said).map_err(ApiError::internal)?;
    for (name, value) in persona::params(agent.default_params.as_ref(), turn.params.as_ref())? {
        body.push(b',');
        serde_json::to_writer(&mut body, &name).map_err(ApiError::internal)?;
        body.push(b':');
        body.extend_from_slice(value.get().as_bytes());
    }
    body.extend_from_slice(if turn.stream { b",\"stream\":true}" } else { b"}" });
    ModelRequest::read(body.into())
}
