//! A conversation with a model itself; what was said is kept here, for as long as the program runs.

use super::options::{LlmOptions, Settings};
use super::render::Renderer;
use super::{is_stream, reasoning};
use crate::client::Client;
use crate::client::failure;
use crate::client::route::Route;
use crate::client::stream::Stream;
use serde_json::{Map, Value, json};
use std::io::Write;

/// A conversation with a model.
pub struct LlmChat {
    /// The Llm or pool.
    pub name: String,
    /// What was said, as the model API spells it.
    pub history: Vec<Value>,
    /// What goes along with every message.
    pub settings: Settings,
    /// The way to the server.
    pub client: Client,
}

/// A streamed reply so far.
#[derive(Default)]
struct Reply {
    content: String,
    reasoning: String,
    finish_reason: Option<String>,
}

impl LlmChat {
    /// A conversation in which nothing was said yet.
    pub fn new(client: Client, options: LlmOptions) -> anyhow::Result<Self> {
        Ok(LlmChat { name: options.llm, history: Vec::new(), settings: options.common.settings()?, client })
    }

    /// Says something and shows the reply.
    pub async fn say<O: Write, E: Write>(
        &mut self,
        message: &str,
        stream: bool,
        renderer: &mut Renderer<O, E>,
    ) -> anyhow::Result<()> {
        let route = self.route();
        let response = self.client.call(&route, &self.request(message, stream)).await?;
        let reply = if is_stream(&response) {
            follow(Stream::of(&self.client, &route, response), renderer).await?
        } else {
            let completion: Value = self.client.rest(response).await?.read()?;
            let reply = reasoning::reply(&completion);
            renderer.text(&reply)?;
            reply
        };
        self.history.push(json!({"role": "user", "content": message}));
        self.history.push(json!({"role": "assistant", "content": reply}));
        Ok(())
    }

    /// Says something and returns the answer's JSON.
    pub async fn ask(&mut self, message: &str) -> anyhow::Result<String> {
        let response = self.client.call(&self.route(), &self.request(message, false)).await?;
        Ok(self.client.rest(response).await?.body)
    }

    fn route(&self) -> Route {
        Route::api(["llms", &self.name, "infer"])
    }

    /// The body of a request to the model.
    pub(super) fn request(&self, message: &str, stream: bool) -> Value {
        let system = [&self.settings.system, &self.settings.append].into_iter().flatten();
        let system = system.map(String::as_str).collect::<Vec<_>>().join("\n\n");
        let first = (!system.is_empty()).then(|| json!({"role": "system", "content": system}));
        let last = json!({"role": "user", "content": message});
        let messages: Vec<Value> = first.into_iter().chain(self.history.iter().cloned()).chain([last]).collect();
        let mut body: Map<String, Value> = self.settings.params.clone();
        body.extend(self.settings.extra.clone());
        body.insert("messages".to_owned(), messages.into());
        body.insert("stream".to_owned(), stream.into());
        // The model API requires the member; the server puts the model's own name there.
        body.insert("model".to_owned(), self.name.as_str().into());
        body.into()
    }
}

/// Shows a streamed reply; returns its text.
async fn follow<O: Write, E: Write>(mut events: Stream<'_>, renderer: &mut Renderer<O, E>) -> anyhow::Result<String> {
    let mut reply = Reply::default();
    while let Some(data) = events.next().await? {
        if data.trim() == "[DONE]" {
            return Ok(reply.end(renderer)?);
        }
        let chunk: Value = match serde_json::from_str(&data) {
            Ok(chunk) => chunk,
            Err(error) => {
                return Err(events.failed(format!("the model server sent a chunk that cannot be read: {error}")));
            }
        };
        if let Some(error) = chunk.get("error").filter(|e| !e.is_null()) {
            return Err(events.failed(failure::sentence(error).map_or_else(|| error.to_string(), str::to_owned)));
        }
        reply.take(&chunk, renderer)?;
    }
    Err(events.failed("the stream ended before the reply did"))
}

impl Reply {
    fn take<O: Write, E: Write>(&mut self, chunk: &Value, renderer: &mut Renderer<O, E>) -> std::io::Result<()> {
        let choice = &chunk["choices"][0];
        if let Some(thought) = reasoning::reasoning(&choice["delta"]) {
            self.reasoning.push_str(thought);
            renderer.thinking(thought);
        }
        if let Some(text) = reasoning::content(&choice["delta"]) {
            self.content.push_str(text);
            renderer.text(text)?;
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish_reason = Some(reason.to_owned());
        }
        Ok(())
    }

    /// The reply's text; reasoning stands in for content that stayed empty.
    fn end<O: Write, E: Write>(self, renderer: &mut Renderer<O, E>) -> std::io::Result<String> {
        if !self.content.is_empty() {
            return Ok(self.content);
        }
        let instead = reasoning::instead(&self.reasoning, self.finish_reason.as_deref());
        renderer.text(&instead)?;
        Ok(instead)
    }
}
