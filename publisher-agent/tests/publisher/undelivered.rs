//! Results that do not get through: the caller is told.

use crate::{complete, connected, data, eventually, model::*, numbered, provider, registry::Registry};
use axum::http::StatusCode;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_answer_too_large_for_a_proxy_becomes_an_error() {
    let large = json!({"text": "x".repeat(1000)}).to_string();
    let (registry, model) = (Registry::start().await, Model::start(Reply::Whole(StatusCode::OK, large)).await);
    registry.seen().largest_upload = Some(500);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", false);
    let lines = complete(&registry, "t1").await;
    let said = "the answer could not be delivered: a proxy on the way refused it with 413 Payload Too Large";
    assert_eq!(lines, [json!({"error": said})]);
    assert_eq!(registry.uploads("t1").len(), 1, "said once");
    running.stop().await;
}

#[tokio::test]
async fn a_batch_whose_connection_breaks_becomes_an_error() {
    let reply = Reply::Chunks(numbered(40), Duration::from_millis(10));
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    registry.seen().buffers = true;
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", true);
    eventually("the end of the held upload", || (registry.lines("t1").len() == 41).then_some(())).await;

    registry.seen().breaks = 1;
    registry.infer("t2", "v", true);
    let error = || registry.lines("t2").last().and_then(|line| line["error"].as_str().map(str::to_owned));
    let error = eventually("an error", error).await;
    assert!(error.contains("could not be delivered: the connection to the server was lost"), "{error}");
    assert!(data(&registry.lines("t2")).len() < 41, "nothing is sent behind the gap");
    running.stop().await;
}
