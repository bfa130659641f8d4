//! Rows, requests and answers that many tests use.

use serde_json::{Value, json};

/// A model that a publisher offers.
pub fn llm(name: &str) -> Value {
    json!({"name": name, "type": "openai", "model": "Qwen/Qwen2.5", "tier": "fast"})
}

/// An agent that a publisher offers.
pub fn agent(name: &str, llm: &str) -> Value {
    json!({"name": name, "llmName": llm, "description": "Local coding assistant",
        "systemPrompt": "Be terse.", "defaultParams": {"temperature": 0.2}})
}

/// A public model at `url`.
pub fn public(name: &str, url: &str) -> Value {
    json!({"name": name, "type": "openai", "model": "gpt-x", "url": url})
}

/// A chat request.
pub fn ask(stream: bool) -> Value {
    json!({"messages": [{"role": "user", "content": "hi"}], "stream": stream})
}

/// A whole answer of a model server, as a result object.
pub fn completion(text: &str) -> Value {
    message(&json!({"role": "assistant", "content": text}), "stop")
}

/// A whole answer with this message.
pub fn message(message: &Value, finish: &str) -> Value {
    json!({"status": 200, "body": {"id": "c1", "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": {"total_tokens": 5}}})
}

/// The payload of one streamed chunk.
pub fn delta(delta: &Value) -> String {
    json!({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}).to_string()
}

/// The payload of one streamed chunk of text.
pub fn words(text: &str) -> String {
    delta(&json!({"content": text}))
}

/// A result object with one chunk.
pub fn chunk(data: &str) -> Value {
    json!({"chunk": {"data": data}})
}

/// The result object that ends a stream.
pub fn done() -> Value {
    json!({"chunk": {"data": "[DONE]", "done": true}})
}
