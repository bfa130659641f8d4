//! A model server that knows all of OpenAI's API, and says `hello`.

use super::{Open, events};
use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::{iter::once, time::Duration};

const PAUSE: Duration = Duration::from_millis(1);

pub(super) fn answer(path: &str, body: &str, open: Open) -> Response {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let streaming = request["stream"] == true;
    match (path, streaming) {
        ("/v1/chat/completions", false) => whole(&chat(&message(&request), "message")),
        ("/v1/chat/completions", true) => chunks(&request, open),
        ("/v1/completions", _) => whole(&completion()),
        ("/v1/embeddings", _) => whole(&embedding()),
        ("/v1/responses", false) => whole(&response("completed")),
        ("/v1/responses", true) => response_events(),
        _ => axum::http::StatusCode::NOT_FOUND.into_response(),
    }
}

fn whole(body: &Value) -> Response {
    Json(body.clone()).into_response()
}

fn message(request: &Value) -> Value {
    match request["tools"][0]["function"]["name"].as_str() {
        None => json!({"role": "assistant", "content": "hello"}),
        Some(tool) => json!({"role": "assistant", "content": null, "tool_calls": [
            {"index": 0, "id": "t1", "type": "function", "function": {"name": tool, "arguments": "{\"a\": 19}"}}]}),
    }
}

fn chat(said: &Value, how: &str) -> Value {
    let (object, finish) = match how {
        "message" => ("chat.completion", json!(if said["content"].is_null() { "tool_calls" } else { "stop" })),
        _ => ("chat.completion.chunk", Value::Null),
    };
    json!({"id": "c1", "object": object, "created": 1, "model": "m",
        "choices": [{"index": 0, how: said, "finish_reason": finish}],
        "usage": if how == "message" { json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}) } else { Value::Null }})
}

fn chunks(request: &Value, open: Open) -> Response {
    let said = message(request);
    let mut pieces = vec![chat(&json!({"role": "assistant"}), "delta")];
    if said["content"].is_null() {
        pieces.push(chat(&said, "delta"));
    } else {
        pieces.extend(["hel", "lo"].map(|text| chat(&json!({"content": text}), "delta")));
    }
    let mut last = chat(&json!({}), "delta");
    last["choices"][0]["finish_reason"] = json!(if said["content"].is_null() { "tool_calls" } else { "stop" });
    let pieces = pieces.into_iter().chain(once(last)).map(|piece| piece.to_string());
    events(pieces.chain(once("[DONE]".to_owned())).map(Ok), PAUSE, open)
}

fn completion() -> Value {
    json!({"id": "t1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": "hello", "finish_reason": "stop", "logprobs": null}]})
}

fn embedding() -> Value {
    json!({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1}})
}

fn response(status: &str) -> Value {
    let output = json!([{"id": "m1", "type": "message", "role": "assistant", "status": status,
        "content": [{"type": "output_text", "text": "hello", "annotations": []}]}]);
    json!({"id": "r1", "object": "response", "created_at": 1, "model": "m", "status": status, "output": output,
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": []})
}

/// They have names, and no `[DONE]` after them.
fn response_events() -> Response {
    let events = [
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress")}),
        json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m1", "output_index": 0,
            "content_index": 0, "delta": "hello", "logprobs": []}),
        json!({"type": "response.completed", "sequence_number": 2, "response": response("completed")}),
    ];
    let named = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    let text = events.iter().map(named).collect::<Vec<_>>().concat();
    ([("content-type", "text/event-stream")], Body::from(text)).into_response()
}
