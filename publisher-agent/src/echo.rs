//! The built-in model: says the last user message back, in the shapes of OpenAI's API.

mod completion;
mod response;

use crate::{
    clock,
    config::Provider,
    json::answer_line,
    lines::{Answer, SEND_AT},
};
use bytes::{Bytes, BytesMut};
use completion::Completion;
use response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};
use uuid::Uuid;

const DIMENSIONS: usize = 8;
/// Most inputs of one request for embeddings; OpenAI's limit.
const MOST_INPUTS: usize = 2048;

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

/// What is said, and of whom.
#[derive(Debug)]
struct Said {
    prompt_words: usize,
    text: String,
    model: String,
    id: Uuid,
    created: u64,
}

impl Said {
    /// The word at this byte of the text, with the space behind it.
    fn word(&self, at: usize) -> Option<&str> {
        self.text[at..].split_inclusive(' ').next()
    }

    /// How many words were heard, and are said: they pass for tokens.
    fn words(&self) -> [usize; 2] {
        [self.prompt_words, count(&self.text)]
    }
}

/// The shape of what is said.
#[derive(Debug)]
enum Shape {
    Completion(Completion),
    Response(Response),
}

impl Shape {
    fn put_next(&mut self, out: &mut BytesMut) -> bool {
        match self {
            Self::Completion(completion) => completion.put_next(out),
            Self::Response(response) => response.put_next(out),
        }
    }

    fn whole(&self) -> Value {
        match self {
            Self::Completion(completion) => completion.whole(),
            Self::Response(response) => response.whole(),
        }
    }
}

/// What is said word by word.
#[derive(Debug)]
pub struct Spoken {
    shape: Shape,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Spoken {
    /// The next lines.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        let mut out = BytesMut::new();
        while self.shape.put_next(&mut out) {
            if !self.delay.is_zero() || out.len() >= SEND_AT {
                break;
            }
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
    let asked = match path {
        "/v1/chat/completions" => last_user_message(&ask.messages),
        "/v1/completions" => ask.prompt.as_ref().map(text_of).unwrap_or_default(),
        "/v1/responses" => ask.input.as_ref().map(last_input).unwrap_or_default(),
        "/v1/embeddings" => return embeddings(&ask, provider),
        _ => return refusal(404, &format!("the echo model has no {path}")),
    };
    let said = Said {
        prompt_words: count(&asked),
        text: provider.echo.reply.clone().unwrap_or(asked),
        model: ask.model.unwrap_or_else(|| provider.model.clone()),
        id: Uuid::new_v4(),
        created: clock::unix_seconds(),
    };
    let usage = ask.stream_options.is_some_and(|options| options.include_usage);
    let shape = match path {
        "/v1/responses" => Shape::Response(Response::new(said)),
        _ => Shape::Completion(Completion::new(said, path == "/v1/chat/completions", usage)),
    };
    if streaming {
        return Answer::Spoken(Spoken { shape, delay: provider.echo.chunk_delay, sleep: None });
    }
    whole(200, &shape.whole())
}

/// A text, or the last message of a user among items.
fn last_input(input: &Value) -> String {
    match input {
        Value::Array(items) => last_user_message(items),
        text => text_of(text),
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
    if inputs.len() > MOST_INPUTS {
        return refusal(400, &format!("`input` has more than {MOST_INPUTS} entries"));
    }
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

    #[tokio::test]
    async fn a_long_text_is_said_in_pieces() {
        let text = " ".repeat(100_000);
        let request = json!({"messages": [{"role": "user", "content": text}]});
        let mut said = Lines::from(answer(&provider(), "/v1/chat/completions", true, request.to_string().as_bytes()));
        let (mut pieces, mut bytes) = (0, 0);
        while let Some(piece) = said.next().await {
            assert!(piece.len() < 2 * SEND_AT);
            (pieces, bytes) = (pieces + 1, bytes + piece.len());
        }
        assert!(pieces > 1000 && bytes > 100 * text.len(), "{pieces} pieces, {bytes} bytes");
        let many = json!({"input": vec![""; MOST_INPUTS + 1]});
        assert_eq!(one("/v1/embeddings", many).await["status"], 400);
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
    async fn a_response_is_said_in_the_events_of_its_own_api() {
        let item = json!({"role": "user", "content": [{"type": "input_text", "text": "hello big world"}]});
        for input in [json!("hello big world"), json!([{"role": "user", "content": "x"}, item])] {
            let body = one("/v1/responses", json!({"input": input})).await["body"].clone();
            assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
            assert_eq!(body["output"][0]["content"][0]["text"], "hello big world");
            assert_eq!(body["usage"]["total_tokens"], 6);
            let lines = lines(&provider(), "/v1/responses", true, &json!({"input": input})).await;
            let named = |line: &Value| line["chunk"]["event"].as_str().map(str::to_owned).expect("a name");
            let mut names: Vec<String> = lines.iter().map(named).collect();
            names.dedup();
            let expected = [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed",
            ];
            assert_eq!(names, expected.map(|name| format!("response.{name}")));
            let events = chunks(&lines);
            let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
            assert_eq!(deltas, "hello big world");
            for (number, event) in events.iter().enumerate() {
                assert_eq!(
                    (&event["sequence_number"], &event["type"]),
                    (&json!(number), &lines[number]["chunk"]["event"])
                );
            }
            let done: Vec<_> = lines.iter().map(|line| line["chunk"]["done"] == true).collect();
            assert_eq!(done.iter().position(|done| *done), Some(lines.len() - 1), "the last one says so");
        }
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
        assert_eq!(one("/v1/files", json!({})).await["status"], 404);
        assert_eq!(one("/v1/chat/completions", json!([])).await["status"], 400);
        assert_eq!(one("/v1/embeddings", json!({})).await["status"], 400);
    }
}
