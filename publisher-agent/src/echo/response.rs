//! What is said as a response ([OpenAI](https://platform.openai.com/docs/api-reference/responses)).

use super::Said;
use crate::json::event_line;
use bytes::BytesMut;
use serde_json::{Value, json};

/// A response with one message, whole or word by word.
#[derive(Debug)]
pub(super) struct Response {
    said: Said,
    sequence: u64,
    next: Next,
}

/// The event that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Created,
    InProgress,
    ItemAdded,
    PartAdded,
    /// The word at this byte of the text, or the end of all words.
    Word(usize),
    PartDone,
    ItemDone,
    Completed,
    Nothing,
}

impl Response {
    pub(super) fn new(said: Said) -> Self {
        Self { said, sequence: 0, next: Next::Created }
    }

    /// Appends the next event's line; false if there is none.
    pub(super) fn put_next(&mut self, out: &mut BytesMut) -> bool {
        let text = &self.said.text;
        let in_place = |name: &'static str, mut event: Value| {
            (event["item_id"], event["output_index"], event["content_index"]) = (self.item_id(), json!(0), json!(0));
            (name, event)
        };
        let ((name, mut event), next) = match self.next {
            Next::Created => (("response.created", json!({"response": self.empty()})), Next::InProgress),
            Next::InProgress => (("response.in_progress", json!({"response": self.empty()})), Next::ItemAdded),
            Next::ItemAdded => {
                let item = self.item("in_progress", &json!([]));
                (("response.output_item.added", json!({"output_index": 0, "item": item})), Next::PartAdded)
            }
            Next::PartAdded => (in_place("response.content_part.added", json!({"part": part("")})), Next::Word(0)),
            Next::Word(at) => {
                let (name, event, next) = self.word(at);
                (in_place(name, event), next)
            }
            Next::PartDone => (in_place("response.content_part.done", json!({"part": part(text)})), Next::ItemDone),
            Next::ItemDone => {
                let item = self.item("completed", &json!([part(text)]));
                (("response.output_item.done", json!({"output_index": 0, "item": item})), Next::Completed)
            }
            Next::Completed => (("response.completed", json!({"response": self.whole()})), Next::Nothing),
            Next::Nothing => return false,
        };
        (event["type"], event["sequence_number"]) = (json!(name), json!(self.sequence));
        self.sequence += 1;
        self.next = next;
        event_line(out, name.as_bytes(), event.to_string().as_bytes(), next == Next::Nothing);
        true
    }

    fn word(&self, at: usize) -> (&'static str, Value, Next) {
        let word = self.said.word(at).unwrap_or_default();
        if word.is_empty() {
            return ("response.output_text.done", json!({"text": self.said.text, "logprobs": []}), Next::PartDone);
        }
        ("response.output_text.delta", json!({"delta": word, "logprobs": []}), Next::Word(at + word.len()))
    }

    /// All of it.
    pub(super) fn whole(&self) -> Value {
        let [input, output] = self.said.words();
        let mut whole = self.frame("completed", &json!([self.item("completed", &json!([part(&self.said.text)]))]));
        whole["usage"] = json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output});
        whole
    }

    fn empty(&self) -> Value {
        self.frame("in_progress", &json!([]))
    }

    fn frame(&self, status: &str, output: &Value) -> Value {
        let (id, created, model) = (format!("resp_{}", self.said.id.simple()), self.said.created, &self.said.model);
        json!({"id": id, "object": "response", "created_at": created, "status": status, "model": model,
            "output": output, "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
            "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto", "tools": [], "top_p": null,
            "usage": null})
    }

    fn item_id(&self) -> Value {
        json!(format!("msg_{}", self.said.id.simple()))
    }

    fn item(&self, status: &str, content: &Value) -> Value {
        json!({"id": self.item_id(), "type": "message", "status": status, "role": "assistant", "content": content})
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
