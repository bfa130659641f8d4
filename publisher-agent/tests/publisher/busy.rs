//! Model servers that seem to be gone while they work.

use crate::{
    complete, connected, data, eventually, model::*, numbered, provider, registry::Registry, settings, start, streams,
};
use mcplocal::config::{Kind, Provider};
use std::{sync::atomic::Ordering, time::Duration};

/// What makes a model server look like one that has nothing to offer.
type Trouble = fn(&Model);

#[tokio::test]
async fn a_reply_is_not_cut_because_its_model_server_seems_gone() {
    let down: Trouble = |model| model.down.store(true, Ordering::SeqCst);
    let without_the_model: Trouble = |model| model.lists(&["other"]);
    for trouble in [down, without_the_model] {
        let reply = Reply::Chunks(numbered(100), Duration::from_millis(10));
        let (registry, model) = (Registry::start().await, Model::start(reply).await);
        let running = connected(&registry, provider(&model)).await;
        registry.infer("t1", "v", true);
        eventually("the first chunks", || (!registry.lines("t1").is_empty()).then_some(())).await;
        trouble(&model);
        assert_eq!(data(&complete(&registry, "t1").await).len(), 101);
        eventually("the stream closed after it", || registry.seen().out_is_closed().then_some(())).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_model_server_that_works_stays_declared() {
    let reply = Reply::Chunks(numbered(100), Duration::from_millis(10));
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    let home = tempfile::tempdir().expect("a folder");
    let mut with_echo = settings(&registry, &home, provider(&model));
    with_echo.config.providers.push(Provider::new("e", Kind::Echo, "echo", None).expect("valid"));
    let running = start(with_echo, home);
    streams(&registry, 1).await;
    registry.infer("t1", "v", true);
    eventually("the first chunks", || (!registry.lines("t1").is_empty()).then_some(())).await;
    model.down.store(true, Ordering::SeqCst);
    eventually("most of the answer", || (registry.lines("t1").len() > 80).then_some(())).await;
    assert_eq!(registry.seen().registers.len(), 1, "after some looks at it");
    complete(&registry, "t1").await;
    eventually("declared without it", || (registry.seen().registers.len() > 1).then_some(())).await;
    assert_eq!(registry.seen().registers[1]["providers"][0]["name"], "e");
    running.stop().await;
}
