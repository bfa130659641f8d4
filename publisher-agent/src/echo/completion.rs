//! What is said as a chat completion, or as a completion of a text.

use super::Said;
use crate::json::chunk_line;
use bytes::BytesMut;
use serde_json::{Value, json};

/// A completion, whole or word by word: each chunk is made when its turn comes, for it is many times larger than its word.
#[derive(Debug)]
pub(super) struct Completion {
    said: Said,
    chat: bool,
    id: String,
    usage: bool,
    next: Next,
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

impl Completion {
    /// `usage`: whether a stream ends with a count of its tokens.
    pub(super) fn new(said: Said, chat: bool, usage: bool) -> Self {
        let id = format!("{}-{}", if chat { "chatcmpl" } else { "cmpl" }, said.id.simple());
        Self { said, chat, id, usage, next: if chat { Next::Role } else { Next::Word(0) } }
    }

    /// Appends the next chunk's line; false if there is none.
    pub(super) fn put_next(&mut self, out: &mut BytesMut) -> bool {
        let (chunk, next) = match self.next {
            Next::Role => (self.role(), Next::Word(0)),
            Next::Word(at) => match self.said.word(at) {
                Some(word) => (self.choice(word, &Value::Null), Next::Word(at + word.len())),
                None => (self.choice("", &json!("stop")), if self.usage { Next::Usage } else { Next::Done }),
            },
            Next::Usage => (self.last(), Next::Done),
            Next::Done => ("[DONE]".to_owned(), Next::Nothing),
            Next::Nothing => return false,
        };
        self.next = next;
        chunk_line(out, chunk.as_bytes());
        true
    }

    /// All of it.
    pub(super) fn whole(&self) -> Value {
        let mut answer = if self.chat {
            let message = json!({"role": "assistant", "content": self.said.text});
            self.frame("chat.completion", &json!([{"index": 0, "message": message, "finish_reason": "stop"}]))
        } else {
            let choice = json!({"index": 0, "text": self.said.text, "logprobs": null, "finish_reason": "stop"});
            self.frame("text_completion", &json!([choice]))
        };
        answer["usage"] = self.tokens();
        answer
    }

    fn frame(&self, kind: &str, choices: &Value) -> Value {
        let (created, model) = (self.said.created, &self.said.model);
        json!({"id": self.id, "object": kind, "created": created, "model": model, "choices": choices})
    }

    fn tokens(&self) -> Value {
        let [prompt, completion] = self.said.words();
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
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
        last["usage"] = self.tokens();
        last.to_string()
    }
}
