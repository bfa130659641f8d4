//! Callers that are slow or leave, and publishers that are away or busy.

use super::{SOON, Setting, begun};
use mcpctl_tests::{eventually, samples, within};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Bytes that a publisher has for a caller that does not read.
const FLOOD: usize = 64 << 20;
/// What fits into the kernel's buffers of two connections, with room to spare.
const STALLED_AT: usize = 40 << 20;
const MEMORY: u64 = 24 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_caller_slows_the_publisher_and_memory_stays_bounded() {
    let mut setting = Setting::new(&[]).await;
    let (call, task) = setting.stream().await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let mut answer = begun(call).await;
    let before = setting.mcpd.process.resident();
    let piece = samples::chunk(&"x".repeat(64 << 10));
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let flooding = tokio::spawn(async move {
        while counter.load(Ordering::SeqCst) < FLOOD {
            assert!(upload.send(&piece).await, "the server hung up");
            counter.fetch_add(64 << 10, Ordering::SeqCst);
        }
        upload.send(&samples::done()).await;
        upload.finish().await
    });
    let (mut last, mut since) = (0, Instant::now());
    eventually("the publisher is held back", Duration::from_secs(20), async || {
        let now = sent.load(Ordering::SeqCst);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_millis(700)).then_some(())
    })
    .await;
    assert!(last < STALLED_AT, "{last} bytes went to a caller that reads nothing");
    let grown = setting.mcpd.process.resident().saturating_sub(before);
    assert!(grown < MEMORY, "the server holds {grown} bytes more");
    let rest = within("all of it arrives", Duration::from_secs(30), async {
        let mut bytes = 0;
        while let Some(event) = answer.event().await {
            bytes += event.data.len();
        }
        bytes
    })
    .await;
    assert_eq!(rest, "first".len() + FLOOD + "[DONE]".len());
    let _ = flooding.await.expect("no panic").expect(202);
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_before_the_first_token_and_after() {
    let mut setting = Setting::new(&[]).await;
    for streaming in [false, true] {
        let (call, frame) = setting.call(samples::ask(streaming).to_string()).await;
        let task = mcpctl_tests::publisher::task_id(&frame);
        let left = Instant::now();
        call.abort();
        assert_eq!(setting.publisher.task("cancel").await, task);
        assert!(left.elapsed() < Duration::from_secs(1), "cancelled after {:?}", left.elapsed());
    }
    let (call, task) = setting.stream().await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "first");
    let left = Instant::now();
    drop(answer);
    assert_eq!(setting.publisher.task("cancel").await, task);
    assert!(left.elapsed() < Duration::from_secs(1), "cancelled after {:?}", left.elapsed());
    // At once, and not with the next chunk: a publisher that vanished sends none.
    upload.answered().await.refused(410, "TASK_GONE", &task);
}

#[tokio::test]
async fn what_cannot_be_called_says_so_and_since_when() {
    let mut setting = Setting::new(&["--connect-grace", "200ms", "--disconnect-grace", "50ms"]).await;
    let client = setting.mcpd.client();
    client.post("/llms/nobody/infer", &samples::ask(false)).await.refused(404, "NOT_FOUND", "Llm not found: nobody");
    let _ = client.post("/llms/llm/disable", &json!({})).await.expect(200);
    client.post("/llms/llm/infer", &samples::ask(false)).await.refused(503, "DISABLED", "'llm' is disabled");
    let _ = client.post("/llms/llm/enable", &json!({})).await.expect(200);
    setting.publisher.hang_up();
    let row = eventually("the row is inactive", SOON, async || {
        client.row("/llms", "llm").await.filter(|row| row["status"] == "inactive")
    })
    .await;
    let answer = client.post("/llms/llm/infer", &samples::ask(true)).await;
    answer.refused(503, "OFFLINE", "'llm' is offline since");
    answer.refused(503, "OFFLINE", row["inactiveSince"].as_str().expect("a time"));
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_call_waits_a_moment_for_a_publisher_that_reconnects() {
    let mut setting = Setting::new(&["--connect-grace", "10s", "--disconnect-grace", "60s"]).await;
    let client = setting.mcpd.client();
    setting.publisher.hang_up();
    eventually("the stream is gone", SOON, async || {
        client.row("/llms", "llm").await.filter(|row| row["connected"] == false)
    })
    .await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.post("/llms/llm/infer", &samples::ask(false)).await });
    setting.publisher.connect("").await;
    let task = setting.publisher.task("infer").await;
    let _ = setting.publisher.result(&task, &samples::completion("back")).await.expect(202);
    let _ = call.await.expect("no panic").expect(200);
}
