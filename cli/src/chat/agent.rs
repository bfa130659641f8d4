//! A conversation with an agent; the server keeps its thread.

use super::is_stream;
use super::options::{AgentOptions, Settings};
use super::render::Renderer;
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::client::stream::Stream;
use anyhow::Context;
use mcpctl_events::wire::chat::{AgentTools, ChatEvent, ChatReply, ChatRequest};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::io::Write;

/// A conversation with an agent.
pub struct AgentChat {
    /// The agent.
    pub name: String,
    /// The thread, once there is one.
    pub thread: Option<String>,
    /// What goes along with every message.
    pub settings: Settings,
    /// The way to the server.
    pub client: Client,
    /// Tools that may run; all if it is none.
    pub allow_tools: Option<Vec<String>>,
    personality: Option<String>,
    max_iterations: Option<u32>,
}

impl AgentChat {
    /// A conversation in which nothing was said yet.
    pub fn new(client: Client, options: AgentOptions) -> anyhow::Result<Self> {
        let tools = options.allow_tools;
        Ok(AgentChat {
            name: options.agent,
            thread: options.thread,
            settings: options.common.settings()?,
            client,
            personality: options.personality,
            max_iterations: options.max_iterations,
            // An empty name allows none; without the flag the project's own rule holds.
            allow_tools: (!tools.is_empty()).then(|| tools.into_iter().filter(|t| !t.is_empty()).collect()),
        })
    }

    /// The manner that was asked for.
    pub fn personality(&self) -> Option<&str> {
        self.personality.as_deref()
    }

    /// Says something and shows the reply.
    pub async fn say<O: Write, E: Write>(
        &mut self,
        message: &str,
        stream: bool,
        renderer: &mut Renderer<O, E>,
    ) -> anyhow::Result<()> {
        let route = self.route();
        let response = self.client.call(&route, &self.request(message, stream)?).await?;
        if is_stream(&response) {
            let thread = follow(Stream::of(&self.client, &route, response), renderer).await?;
            self.thread = Some(thread);
        } else {
            let reply: ChatReply = self.client.rest(response).await?.read()?;
            renderer.text(&reply.assistant)?;
            self.thread = Some(reply.thread_id);
        }
        Ok(())
    }

    /// Says something and returns the answer's JSON.
    pub async fn ask(&mut self, message: &str) -> anyhow::Result<String> {
        let response = self.client.call(&self.route(), &self.request(message, false)?).await?;
        Ok(self.client.rest(response).await?.body)
    }

    /// The tools that there are, and which of them may run.
    pub async fn tools(&self) -> anyhow::Result<AgentTools> {
        let allow = self.allow_tools.as_ref().map(|tools| tools.join(","));
        Ok(self.client.get(&Route::api(["agents", &self.name, "tools"]).with("allow", allow)).await?.read()?)
    }

    fn route(&self) -> Route {
        Route::api(["agents", &self.name, "chat"])
    }

    fn request(&self, message: &str, stream: bool) -> anyhow::Result<ChatRequest> {
        Ok(ChatRequest {
            message: message.to_owned(),
            thread_id: self.thread.clone(),
            title: None,
            stream,
            personality: self.personality.clone(),
            system_prompt: self.settings.system.clone(),
            system_append: self.settings.append.clone(),
            params: params(&self.settings)?,
            allow_tools: self.allow_tools.clone(),
            max_iterations: self.max_iterations,
        })
    }
}

fn params(settings: &Settings) -> anyhow::Result<Option<Box<RawValue>>> {
    let mut params = settings.params.clone();
    if !settings.extra.is_empty() {
        params.insert("extra".to_owned(), settings.extra.clone().into());
    }
    if params.is_empty() { Ok(None) } else { Ok(Some(to_raw_value(&params).context("cannot write the parameters")?)) }
}

/// Shows a streamed reply; returns its thread.
async fn follow<O: Write, E: Write>(mut events: Stream<'_>, renderer: &mut Renderer<O, E>) -> anyhow::Result<String> {
    while let Some(data) = events.next().await? {
        match read(&data)? {
            Some(ChatEvent::Text { delta }) => renderer.text(&delta)?,
            Some(ChatEvent::Thinking { delta }) => renderer.thinking(&delta),
            Some(ChatEvent::ToolCall { name, arguments, .. }) => renderer.tool_call(&name, &arguments),
            Some(ChatEvent::ToolResult { name, content, is_error, .. }) => {
                renderer.tool_result(&name, &content, is_error);
            }
            Some(ChatEvent::Final { thread_id, .. }) => return Ok(thread_id),
            Some(ChatEvent::Error { error, .. }) => return Err(events.failed(error)),
            None => {}
        }
    }
    Err(events.failed("the stream ended before the reply did"))
}

/// Reads an event; those of a newer server that this program does not know are none.
fn read(data: &str) -> Result<Option<ChatEvent>, Failure> {
    serde_json::from_str(data).map(Some).or_else(|problem| {
        let event: Value = serde_json::from_str(data).unwrap_or_default();
        let known = matches!(
            event["type"].as_str(),
            None | Some("text" | "thinking" | "tool_call" | "tool_result" | "final" | "error")
        );
        if known { Err(Failure::Malformed { reason: problem.to_string() }) } else { Ok(None) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_newer_server_are_skipped_and_garbage_is_not() {
        assert!(matches!(read(r#"{"type":"text","delta":"a"}"#), Ok(Some(ChatEvent::Text { .. }))));
        assert!(matches!(read(r#"{"type":"citation","name":"x"}"#), Ok(None)));
        assert!(read(r#"{"type":"text"}"#).is_err());
        assert!(read("garbage").is_err());
    }

    #[test]
    fn extras_travel_inside_params() {
        let mut settings = Settings::default();
        assert!(params(&settings).unwrap().is_none());
        settings.params.insert("seed".into(), 3.into());
        settings.extra.insert("top_k".into(), 4.into());
        assert_eq!(params(&settings).unwrap().unwrap().get(), r#"{"extra":{"top_k":4},"seed":3}"#);
    }
}
