//! Deadlines: nothing waits for ever, and the publisher is told.

use super::{SOON, Setting, begun};
use mcpctl_tests::{publisher::task_id, samples, within};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn ends_with_error(events: &[String], code: &str) {
    let last: Value = serde_json::from_str(events.last().expect("an event")).expect("an error is JSON");
    assert_eq!(last["code"], code, "{events:?}");
    assert!(last["error"].is_string(), "{events:?}");
    assert!(!events.iter().any(|event| event == "[DONE]"), "a failed answer does not end with [DONE]: {events:?}");
}

#[tokio::test]
async fn no_first_byte_in_time_is_504_and_a_cancel() {
    let mut setting = Setting::new(&["--first-byte-timeout", "300ms"]).await;
    for streaming in [false, true] {
        let (call, frame) = setting.call(samples::ask(streaming).to_string()).await;
        let task = task_id(&frame);
        let _ = setting.publisher.result(&task, &json!({"accepted": true})).await.expect(202);
        let answer = within("the call ends", SOON, call).await.expect("no panic");
        answer.refused(504, "TIMED_OUT", "no answer in time");
        assert_eq!(setting.publisher.task("cancel").await, task);
        assert_eq!(setting.publisher.result(&task, &samples::completion("late")).await.status, 410);
    }
}

#[tokio::test]
async fn silence_within_an_answer_ends_it_with_an_error() {
    let mut setting = Setting::new(&["--idle-timeout", "400ms"]).await;
    let (call, task) = setting.stream().await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let mut answer = begun(call).await;
    // Slower than at once, but never silent for too long.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        upload.send(&samples::chunk("more")).await;
    }
    let events = within("the answer ends", SOON, answer.rest()).await;
    assert_eq!(events.len(), 7, "{events:?}");
    ends_with_error(&events, "TIMED_OUT");
    assert_eq!(setting.publisher.task("cancel").await, task);
}

#[tokio::test]
async fn a_call_may_not_take_longer_than_the_server_allows() {
    let mut setting = Setting::new(&["--task-timeout", "1s"]).await;
    let (call, task) = setting.stream().await;
    let started = Instant::now();
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let mut answer = begun(call).await;
    let talking = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            upload.send(&samples::chunk("more")).await;
        }
    };
    let events = tokio::select! {
        events = within("the answer ends", SOON, answer.rest()) => events,
        () = talking => Vec::new(),
    };
    ends_with_error(&events, "TIMED_OUT");
    let took = started.elapsed();
    assert!(took > Duration::from_millis(800) && took < Duration::from_secs(3), "it took {took:?}");
    assert_eq!(setting.publisher.task("cancel").await, task);
}

#[tokio::test]
async fn an_error_within_an_answer_is_its_last_event() {
    let mut setting = Setting::new(&[]).await;
    let (call, task) = setting.stream().await;
    let objects = [samples::chunk("first"), json!({"error": "CUDA out of memory"})];
    let _ = setting.publisher.results(&task, &objects).await.expect(202);
    let events = within("the answer ends", SOON, begun(call).await.rest()).await;
    assert_eq!(events[0], "first");
    ends_with_error(&events, "PUBLISHER_ERROR");
    assert!(events[1].contains("CUDA out of memory"), "{events:?}");

    let (call, task) = setting.stream().await;
    let _ = setting.publisher.result(&task, &samples::chunk("first")).await.expect(202);
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "first");
    setting.publisher.hang_up();
    let events = within("the answer ends", Duration::from_secs(1), answer.rest()).await;
    ends_with_error(&events, "PUBLISHER_DISCONNECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_is_given_up() {
    let mut setting = Setting::new(&["--idle-timeout", "1s"]).await;
    let (call, task) = setting.stream().await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let _unread = begun(call).await;
    let piece = samples::chunk(&"x".repeat(64 << 10));
    let flooding = async { while upload.send(&piece).await {} };
    within("the server hangs up", Duration::from_secs(20), flooding).await;
    assert_eq!(upload.answered().await.status, 410);
    assert_eq!(setting.publisher.task("cancel").await, task);
}

#[tokio::test]
async fn a_caller_that_waits_gets_a_comment_within_fifteen_seconds() {
    let mut setting = Setting::new(&[]).await;
    let (call, task) = setting.stream().await;
    let _ = setting.publisher.result(&task, &json!({"accepted": true})).await.expect(202);
    let mut answer = within("the answer begins", Duration::from_secs(15), call).await.expect("no panic");
    let comment = answer.any().await.expect("the stream goes on");
    assert_eq!(comment.name, ":");
    let _ = setting.publisher.result(&task, &json!({"status": 429, "body": {"error": "slow down"}})).await.expect(202);
    let end = within("the end", SOON, answer.rest()).await;
    let [end] = &end[..] else { panic!("one event: {end:?}") };
    let end: serde_json::Value = serde_json::from_str(end).expect("JSON");
    assert_eq!(end["code"], "UPSTREAM_ERROR");
    let said = end["error"].as_str().unwrap_or_default();
    assert!(said.contains("429") && said.contains("slow down"), "{said}");
}

#[tokio::test]
async fn a_result_that_is_refused_ends_its_call_at_once() {
    let mut setting = Setting::new(&["--max-body", "64KiB"]).await;
    let large = json!({"status": 200, "body": {"text": "x".repeat(70_000)}});
    for (result, status, says) in [
        (large, 413, "--max-body"),
        (json!({"status": "fine"}), 400, "a result is a JSON object"),
        (json!({"acepted": true}), 400, "a result has `accepted`, `error`, `chunk`"),
    ] {
        let (call, frame) = setting.call(samples::ask(false).to_string()).await;
        let task = task_id(&frame);
        let refused = setting.publisher.result(&task, &result).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        within("the call ends", SOON, call).await.expect("no panic").refused(502, "PUBLISHER_ERROR", says);
    }
}
