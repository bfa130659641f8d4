//! Calls that wait for a place: meanwhile the row changes, the stream is another one, or the server stops.

use super::{SOON, Setting};
use futures_util::future::{Either, select};
use mcpctl_tests::{Answer, Client, publisher::task_id, samples, within};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A publisher with one call open and one waiting: the setting, the open one and its task, and the waiting one.
async fn busy() -> (Setting, JoinHandle<Answer>, String, JoinHandle<Answer>) {
    let mut setting = Setting::new(&["--max-inflight-per-session", "1", "--queue-depth", "1"]).await;
    let (open, frame) = setting.call(samples::ask(false).to_string()).await;
    let client = setting.mcpd.client();
    let call = || {
        let request = client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(false));
        tokio::spawn(Client::send(request))
    };
    // Whichever comes second finds no place.
    let (refused, waiting) = match select(call(), call()).await {
        Either::Left(both) | Either::Right(both) => both,
    };
    refused.expect("no panic").refused(429, "BUSY", "'llm' is busy: 1 calls are waiting");
    (setting, open, task_id(&frame), waiting)
}

#[tokio::test]
async fn a_busy_publisher_queues_calls_and_then_refuses_them() {
    let (mut setting, open, task, waiting) = busy().await;
    let _ = setting.publisher.result(&task, &samples::completion("1")).await.expect(202);
    let _ = ended(open).await.expect(200);
    let task = setting.publisher.task("infer").await;
    let _ = setting.publisher.result(&task, &samples::completion("2")).await.expect(202);
    let _ = ended(waiting).await.expect(200);
}

async fn ended(call: JoinHandle<Answer>) -> Answer {
    within("the call ends", SOON, call).await.expect("no panic")
}

#[tokio::test]
async fn a_call_that_waited_goes_out_with_the_row_as_it_is_now() {
    let (mut setting, open, task, waiting) = busy().await;
    let mut other = samples::llm("llm");
    other["model"] = json!("another-model");
    let _ = setting.publisher.register(json!([other]), json!([])).await.expect(201);
    let _ = setting.publisher.result(&task, &samples::completion("1")).await.expect(202);
    let _ = ended(open).await.expect(200);
    let frame: serde_json::Value = serde_json::from_str(&setting.publisher.frame("infer").await).expect("JSON");
    assert_eq!((&frame["model"], &frame["request"]["model"]), (&json!("another-model"), &json!("another-model")));
    let task = frame["taskId"].as_str().expect("a task");
    let _ = setting.publisher.result(task, &samples::completion("2")).await.expect(202);
    let _ = ended(waiting).await.expect(200);
}

#[tokio::test]
async fn a_call_that_waited_is_refused_where_it_would_be_now() {
    let (setting, open, task, waiting) = busy().await;
    let _ = setting.mcpd.client().post("/llms/llm/disable", &json!({})).await.expect(200);
    let _ = setting.publisher.result(&task, &samples::completion("1")).await.expect(202);
    let _ = ended(open).await.expect(200);
    ended(waiting).await.refused(503, "DISABLED", "'llm' is disabled");
}

#[tokio::test]
async fn a_call_that_waited_goes_out_on_the_stream_that_took_over() {
    let (mut setting, open, _, waiting) = busy().await;
    setting.publisher.connect("").await;
    ended(open).await.refused(502, "PUBLISHER_DISCONNECTED", "disconnected before its answer was complete");
    let task = setting.publisher.task("infer").await;
    let _ = setting.publisher.result(&task, &samples::completion("over there")).await.expect(202);
    let answer = ended(waiting).await.expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "over there");
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_who_waits_and_to_who_gets_no_answer_in_time() {
    let (mut setting, open, task, waiting) = busy().await;
    let _ = setting.publisher.result(&task, &json!({"accepted": true})).await.expect(202);
    setting.mcpd.process.signal(Signal::SIGTERM);
    let refused = ended(waiting).await;
    refused.refused(503, "SHUTDOWN", "the server stops");
    assert!(!refused.header("retry-after").is_empty());
    let unanswered = within("the drain ends", Duration::from_secs(10), open).await.expect("no panic");
    unanswered.refused(503, "SHUTDOWN", "the server stops");
    assert!(!unanswered.header("retry-after").is_empty());
    assert_eq!(setting.mcpd.process.exit(mcpctl_tests::program::STOP).await.code(), Some(0));
}
