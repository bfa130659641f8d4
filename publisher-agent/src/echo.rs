//! The built-in model: says the last user message back, in the shapes of OpenAI's API.

use crate::{
    clock,
    config::Provider,
    json::{answer_line, chunk_line},
    lines::{Answer, SEND_AT},
};
use bytes::{Bytes, BytesMut};
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

/// What is said, word by word, each made when its turn comes: a chunk is many times larger than its word.
#[derive(Debug)]
pub struct Spoken {
    says: Says,
    next: Next,
    usage: bool,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The chunk that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Role,
    /// The word at this byte of the text, or the end of all words.
    Word(usize),
    Usage,
    Done,
    Nothing,
}

impl Spoken {
    fn new(says: Says, usage: bool, delay: Duration) -> Self {
        let next = if says.chat { Next::Role } else { Next::Word(0) };
        Self { says, next, usage, delay, sleep: None }
    }

    /// The next lines.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        let mut out = BytesMut::new();
        while let Some(chunk) = self.chunk() {
            chunk_line(&mut out, chunk.as_bytes());
            if !self.delay.is_zero() || out.len() >= SEND_AT {
                break;
            }
        }
        self.sleep = (!self.delay.is_zero()).then(|| Box::pin(sleep(self.delay)));
        Poll::Ready((!out.is_empty()).then(|| out.freeze()))
    }

    fn chunk(&mut self) -> Option<String> {
        let Self { says, usage, .. } = self;
        let (chunk, next) = match self.next {
            Next::Role => (says.role(), Next::Word(0)),
            Next::Word(at) => match says.text[at..].split_inclusive(' ').next() {
                Some(word) => (says.choice(word, &Value::Null), Next::Word(at + word.len())),
                None => (says.choice("", &json!("stop")), if *usage { Next::Usage } else { Next::Done }),
            },
            Next::Usage => (says.last(), Next::Done),
            Next::Done => ("[DONE]".to_owned(), Next::Nothing),
            Next::Nothing => return None,
        };
        self.next = next;
        Some(chunk)
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
        return Answer::Spoken(Spoken::new(says, usage, provider.echo.chunk_delay));
    }
    whole(200, &says.whole())
}

#[derive(Debug)]
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

    fn kind(&self) -> &'static str {
        if self.chat { "chat.completion.chunk" } else { "text_completion" }
    }

    fn role(&self) -> String {
        let delta = json!({"role": "assistant", "content": ""});
        self.frame(self.kind(), &json!([{"index": 0, "delta": delta, "finish_reason": null}])).to_string()
    }

    /// A word with the space behind it, so that together they are the text; none at the end.
    fn choice(&self, word: &str, finish: &Value) -> String {
        let mut choice = json!({"index": 0, "finish_reason": finish});
        if !self.chat {
            choice["text"] = json!(word);
        } else if word.is_empty() {
            choice["delta"] = json!({});
        } else {
            choice["delta"] = json!({"content": word});
        }
        self.frame(self.kind(), &json!([choice])).to_string()
    }

    fn last(&self) -> String {
        let mut last = self.frame(self.kind(), &json!([]));
        last["usage"] = self.usage();
        last.to_string()
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
