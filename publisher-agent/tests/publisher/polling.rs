//! Tasks by long-poll.

use crate::{
    Running, complete, connected, data, eventually,
    model::*,
    numbered, provider,
    registry::{Lost, Registry},
    settings, start,
};
use axum::http::StatusCode;
use mcplocal::{Settings, Transport};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn polls_when_told_to() {
    let (registry, model) =
        (Registry::start().await, Model::start(Reply::Whole(StatusCode::OK, "{}".to_owned())).await);
    let home = tempfile::tempdir().expect("a folder");
    let polling = Settings { transport: Transport::LongPoll, ..settings(&registry, &home, provider(&model)) };
    let running = start(polling, home);
    registry.infer("t1", "v", false);
    assert_eq!(complete(&registry, "t1").await, [json!({"status": 200, "body": {}})]);
    assert_eq!(registry.seen().streams.len(), 0);
    assert_eq!(registry.seen().polls[0]["x-mcpctl-features"], "accept, ack");
    running.stop().await;
}

/// A publisher that polls and has a task that streams for a while.
async fn polling_with_a_task(registry: &Registry, model: &Model) -> Running {
    let home = tempfile::tempdir().expect("a folder");
    let polling = Settings { transport: Transport::LongPoll, ..settings(registry, &home, provider(model)) };
    let running = start(polling, home);
    registry.infer("t1", "v", true);
    eventually("the first chunks", || (!registry.lines("t1").is_empty()).then_some(())).await;
    running
}

#[tokio::test]
async fn lost_polls_do_not_end_what_is_under_way() {
    let reply = Reply::Chunks(numbered(300), Duration::from_millis(10));
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    let running = polling_with_a_task(&registry, &model).await;
    let refusals = [StatusCode::GATEWAY_TIMEOUT, StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];
    registry.seen().refused_polls = refusals.map(|status| (status, json!("from a proxy"))).into();
    assert_eq!(data(&complete(&registry, "t1").await).len(), 301);
    assert!(registry.seen().refused_polls.is_empty());
    let waits = registry.seen().waits.clone();
    assert_eq!((&*waits[0], &**waits.last().expect("polls")), ("waitSeconds=25", "waitSeconds=10"));
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_is_no_rival_to_a_poll() {
    let reply = Reply::Chunks(numbered(200), Duration::from_millis(10));
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    let running = polling_with_a_task(&registry, &model).await;
    let refusal = json!({"error": "the server stops", "code": "SHUTDOWN"});
    registry.seen().refused_polls.push_back((StatusCode::GONE, refusal));
    assert_eq!(data(&complete(&registry, "t1").await).len(), 201);
    assert!(registry.seen().refused_polls.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn polls_when_streams_bring_nothing() {
    for lost in [Lost::Events, Lost::Head] {
        let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
        registry.seen().lost = Some(lost);
        let running = connected(&registry, provider(&model)).await;
        eventually("a poll", || (!registry.seen().polls.is_empty()).then_some(())).await;
        assert_eq!(registry.seen().streams.len(), 2, "{lost:?}");
        running.stop().await;
    }
}
