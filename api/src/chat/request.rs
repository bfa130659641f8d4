//! From a turn to the request that the model gets.

use crate::{
    error::ApiError,
    json::{Fields, Problems},
    request::ModelRequest,
};
use mcpctl_events::{definition::AgentDefinition, json::Json, name::Name};
use mcpctl_projector::store::work::Message;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

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
pub(super) fn build(agent: &AgentDefinition, turn: &Turn, history: &[Message]) -> Result<ModelRequest, ApiError> {
    let system = system_block(agent, turn);
    let mut said = Vec::with_capacity(history.len() + 1);
    if !system.is_empty() {
        said.push(Said { role: "system", content: &system });
    }
    said.extend(history.iter().map(|m| Said { role: &m.role, content: m.content.as_deref().unwrap_or_default() }));
    let mut body = Vec::new();
    body.extend_from_slice(b"{\"messages\":");
    serde_json::to_writer(&mut body, &said).map_err(ApiError::internal)?;
    for (name, value) in params(agent.default_params.as_ref(), turn.params.as_ref())? {
        body.push(b',');
        serde_json::to_writer(&mut body, &name).map_err(ApiError::internal)?;
        body.push(b':');
        body.extend_from_slice(value.get().as_bytes());
    }
    body.extend_from_slice(if turn.stream { b",\"stream\":true}" } else { b"}" });
    ModelRequest::read(body.into())
}

fn system_block(agent: &AgentDefinition, turn: &Turn) -> String {
    let own = turn.system_prompt.as_deref().or(agent.system_prompt.as_deref());
    let parts = [own, turn.system_append.as_deref()];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Parameters of the request over the agent's defaults; the members of `extra` count as top-level ones.
fn params<'a>(defaults: Option<&'a Json>, asked: Option<&'a Json>) -> Result<Members<'a>, ApiError> {
    let mut merged = Members::new();
    for object in [defaults, asked].into_iter().flatten() {
        let mut members = members(object.get(), "/params")?;
        let extra = members.remove("extra").filter(|extra| extra.get() != "null");
        merged.extend(members);
        if let Some(extra) = extra {
            merged.extend(self::members(extra.get(), "/params/extra")?);
        }
    }
    for own in ["model", "messages", "stream"] {
        merged.remove(own);
    }
    Ok(merged)
}

fn members<'a>(object: &'a str, pointer: &str) -> Result<Members<'a>, ApiError> {
    serde_json::from_str(object).map_err(|_| ApiError::invalid(pointer, "is an object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_wins_over_the_defaults_and_extra_goes_up() {
        let json = |text: &str| Json::new(&RawValue::from_string(text.to_owned()).unwrap());
        let (defaults, asked) = (
            json(r#"{"temperature":0.2,"top_p":0.10,"extra":{"top_k":1}}"#),
            json(r#"{"temperature":0.9,"extra":{"top_k":4,"x":[1e400]},"messages":[]}"#),
        );
        let merged = params(Some(&defaults), Some(&asked)).unwrap();
        let merged: Vec<_> = merged.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        assert_eq!(merged, [("temperature", "0.9"), ("top_k", "4"), ("top_p", "0.10"), ("x", "[1e400]")]);
    }
}
