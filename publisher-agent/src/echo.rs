//! The built-in model: says the last user message back, in the shapes of OpenAI's API.

use crate::{
    clock,
    config::Provider,
    json::{answer_line, chunk_line},
    lines::Answer,
};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};
use uuid::Uuid;

const DIMENSIONS: usize = 8;

#[derive(Deserialize)]
struct Ask {
    model: Option<String>,
    #[serde(default)]
    messages: Vec<Value>,
    prompt: Option<Value>,
    input: Option<Value>,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Chunks on their way out, one at a time.
#[derive(Debug)]
pub struct Spoken {
    chunks: VecDeque<String>,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Spoken {
    /// The next lines.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        let at_once = if self.delay.is_zero() { self.chunks.len() } else { 1 };
        let mut out = BytesMut::new();
        for chunk in self.chunks.drain(..at_once.min(self.chunks.len())) {
            chunk_line(&mut out, chunk.as_bytes());
        }
        self.sleep = (!self.delay.is_zero()).then(|| Box::pin(sleep(self.delay)));
        Poll::Ready((!out.is_empty()).then(|| out.freeze()))
    }
}

/// Answers a call.
pub fn answer(provider: &Provider, path: &str, streaming: bool, request: &[u8]) -> Answer {
    let Ok(ask) = serde_json::from_slice::<Ask>(request) else {
        return refusal(400, "the request is no JSON object of the model API");
    };
    let reply = provider.echo.reply.clone();
    let (chat, asked) = match path {
        "/v1/chat/completions" => (true, last_user_message(&ask.messages)),
        "/v1/completions" => (false, ask.prompt.as_ref().map(text_of).unwrap_or_default()),
        "/v1/embeddings" => return embeddings(&ask, provider),
        _ => return refusal(404, &format!("the echo model has no {path}")),
    };
    let says = Says {
        chat,
        prompt_words: count(&asked),
        text: reply.unwrap_or(asked),
        model: ask.model.unwrap_or_else(|| provider.model.clone()),
        id: format!("{}-{}", if chat { "chatcmpl" } else { "cmpl" }, Uuid::new_v4().simple()),
        created: clock::unix_seconds(),
    };
    if streaming {
        let usage = ask.stream_options.is_some_and(|options| options.include_usage);
        let chunks = says.chunks(usage);
        return Answer::Spoken(Spoken { chunks, delay: provider.echo.chunk_delay, sleep: None });
    }
    whole(200, &says.whole())
}

struct Says {
    chat: bool,
    prompt_words: usize,
    text: String,
    model: String,
    id: String,
    created: u64,
}

impl Says {
    fn frame(&self, kind: &str, choices: &Value) -> Value {
        json!({"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices})
    }

    fn usage(&self) -> Value {
        let (prompt, completion) = (self.prompt_words, count(&self.text));
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
    }

    fn whole(&self) -> Value {
        let mut answer = if self.chat {
            let message = json!({"role": "assistant", "content": self.text});
            self.frame("chat.completion", &json!([{"index": 0, "message": message, "finish_reason": "stop"}]))
        } else {
            let choice = json!({"index": 0, "text": self.text, "logprobs": null, "finish_reason": "stop"});
            self.frame("text_completion", &json!([choice]))
        };
        answer["usage"] = self.usage();
        answer
    }

    /// Word by word; each keeps the space behind it, so that together they are the text.
    fn chunks(&self, usage: bool) -> VecDeque<String> {
        let kind = if self.chat { "chat.completion.chunk" } else { "text_completion" };
        let choice = |text: &str, finish: Value| {
            let mut choice = json!({"index": 0, "finish_reason": finish});
            if !self.chat {
                choice["text"] = json!(text);
            } else if text.is_empty() {
                choice["delta"] = json!({});
            } else {
                choice["delta"] = json!({"content": text});
            }
            self.frame(kind, &json!([choice])).to_string()
        };
        let mut chunks = VecDeque::new();
        if self.chat {
            let delta = json!({"role": "assistant", "content": ""});
            let first = json!([{"index": 0, "delta": delta, "finish_reason": null}]);
            chunks.push_back(self.frame(kind, &first).to_string());
        }
        chunks.extend(self.text.split_inclusive(' ').map(|word| choice(word, Value::Null)));
        chunks.push_back(choice("", json!("stop")));
        if usage {
            let mut last = self.frame(kind, &json!([]));
            last["usage"] = self.usage();
            chunks.push_back(last.to_string());
        }
        chunks.push_back("[DONE]".to_owned());
        chunks
    }
}

fn last_user_message(messages: &[Value]) -> String {
    let user = messages.iter().rev().find(|message| message["role"] == "user");
    user.map(|message| text_of(&message["content"])).unwrap_or_default()
}

/// A string, or the texts of a list of strings or parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let text = |part: &Value| part.as_str().or(part["text"].as_str()).map(str::to_owned);
            parts.iter().filter_map(text).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

fn embeddings(ask: &Ask, provider: &Provider) -> Answer {
    let inputs: Vec<String> = match &ask.input {
        Some(Value::Array(inputs)) if inputs.iter().all(Value::is_string) => inputs.iter().map(text_of).collect(),
        Some(one) => vec![text_of(one)],
        None => return refusal(400, "`input` is required"),
    };
    let vector =
        |(index, text): (usize, &String)| json!({"object": "embedding", "index": index, "embedding": vector(text)});
    let data: Vec<Value> = inputs.iter().enumerate().map(vector).collect();
    let tokens: usize = inputs.iter().map(|text| count(text)).sum();
    let model = ask.model.as_deref().unwrap_or(&provider.model);
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    whole(200, &json!({"object": "list", "data": data, "model": model, "usage": usage}))
}

/// Small and the same for the same text; it has no meaning.
fn vector(text: &str) -> [f32; DIMENSIONS] {
    let mut sums = [0_u8; DIMENSIONS];
    for (at, byte) in text.bytes().enumerate() {
        let sum = &mut sums[at % DIMENSIONS];
        *sum = sum.wrapping_mul(31).wrapping_add(byte);
    }
    sums.map(|sum| f32::from(sum) / 128.0 - 1.0)
}

fn refusal(status: u16, message: &str) -> Answer {
    whole(status, &json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}}))
}

fn whole(status: u16, body: &Value) -> Answer {
    Answer::Whole(answer_line(status, body.to_string().as_bytes(), "application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Kind, lines::Lines};
    use tokio::time::Instant;

    fn provider() -> Provider {
        Provider::new("e", Kind::Echo, "echo", None).expect("valid")
    }

    async fn lines(provider: &Provider, path: &str, streaming: bool, request: &Value) -> Vec<Value> {
        let mut lines = Lines::from(answer(provider, path, streaming, request.to_string().as_bytes()));
        let mut text = Vec::new();
        while let Some(more) = lines.next().await {
            text.extend_from_slice(&more);
        }
        serde_json::Deserializer::from_slice(&text).into_iter().map(|line| line.expect("JSON")).collect()
    }

    async fn one(path: &str, request: Value) -> Value {
        lines(&provider(), path, false, &request).await.remove(0)
    }

    fn chunks(lines: &[Value]) -> Vec<Value> {
        let data = |line: &Value| line["chunk"]["data"].as_str().map(str::to_owned).expect("a chunk");
        lines.iter().map(data).filter(|data| data != "[DONE]").map(|data| data.parse().expect("JSON")).collect()
    }

    #[tokio::test]
    async fn says_the_last_user_message_back() {
        let messages = json!([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"},
            {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "image_url"}, {"type": "text", "text": "four"}]},
            {"role": "assistant", "content": "five"}]);
        let line = one("/v1/chat/completions", json!({"model": "x", "messages": messages})).await;
        assert_eq!(line["status"], 200);
        let body = &line["body"];
        assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("x")));
        assert_eq!(body["choices"][0]["message"], json!({"role": "assistant", "content": "three\nfour"}));
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert_eq!(body["usage"]["total_tokens"], 4);
    }

    #[tokio::test]
    async fn streams_word_by_word_and_ends_with_done() {
        let request = json!({"messages": [{"role": "user", "content": "hello  big world"}],
            "stream_options": {"include_usage": true}});
        let lines = lines(&provider(), "/v1/chat/completions", true, &request).await;
        assert_eq!(lines.last(), Some(&json!({"chunk": {"data": "[DONE]", "done": true}})));
        let chunks = chunks(&lines);
        let deltas: Vec<&str> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(deltas, ["", "hello ", " ", "big ", "world"]);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[chunks.len() - 1]["usage"]["completion_tokens"], 3);
    }

    #[tokio::test(start_paused = true)]
    async fn takes_its_time_between_words_and_says_what_it_is_told_to() {
        let mut provider = provider();
        provider.echo.chunk_delay = Duration::from_millis(100);
        provider.echo.reply = Some("a b".to_owned());
        let began = Instant::now();
        let lines = lines(&provider, "/v1/completions", true, &json!({"prompt": ["x"]})).await;
        let texts: Vec<Value> = chunks(&lines).iter().map(|chunk| chunk["choices"][0]["text"].clone()).collect();
        assert_eq!(texts, ["a ", "b", ""]);
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn the_other_paths() {
        let line = one("/v1/completions", json!({"prompt": "say"})).await;
        assert_eq!(line["body"]["choices"][0]["text"], "say");
        let line = one("/v1/embeddings", json!({"input": ["a", "b", "a"]})).await;
        let data = line["body"]["data"].as_array().expect("a list").clone();
        assert_eq!(data.len(), 3);
        assert_eq!(data[0]["embedding"], data[2]["embedding"]);
        assert_ne!(data[0]["embedding"], data[1]["embedding"]);
        assert_eq!(one("/v1/responses", json!({})).await["status"], 404);
        assert_eq!(one("/v1/chat/completions", json!([])).await["status"], 400);
        assert_eq!(one("/v1/embeddings", json!({})).await["status"], 400);
    }
}
