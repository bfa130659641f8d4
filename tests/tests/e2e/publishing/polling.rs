//! Long-poll, for networks that block streams.

use super::{publish, status};
use mcpctl_tests::{Answer, Client, Mcpd, Publisher, eventually, samples, within};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

fn poll(publisher: &Publisher, seconds: u32) -> JoinHandle<Answer> {
    let request = publisher.request(Method::GET, &format!("/llms/_provider-tasks?waitSeconds={seconds}"));
    tokio::spawn(Client::send(request))
}

async fn connected(client: &Client) {
    eventually("the poll binds", super::SOON, async || {
        client.row("/llms", "llm").await.filter(|row| row["connected"] == true)
    })
    .await;
}

#[tokio::test]
async fn a_poll_binds_gets_the_same_frames_and_ends_after_ten_seconds_without_one() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let polling = poll(&publisher, 20);
    connected(&client).await;
    let caller = client.clone();
    let waiting = tokio::spawn(async move { caller.post("/llms/llm/infer", &samples::ask(false)).await });
    let tasks = polling.await.expect("no panic").expect(200).json();
    let task = &tasks["tasks"][0];
    assert_eq!(
        (&task["kind"], &task["llmName"], &task["model"]),
        (&json!("infer"), &json!("llm"), &json!("Qwen/Qwen2.5"))
    );
    let id = task["taskId"].as_str().expect("an id");
    let _ = publisher.result(id, &samples::completion("polled")).await.expect(202);
    let answer = waiting.await.expect("no panic").expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "polled");

    let sequence = client.sequence().await;
    let empty = poll(&publisher, 0).await.expect("no panic").expect(200).json();
    assert_eq!((empty, client.sequence().await), (json!({"tasks": []}), sequence), "later polls write nothing");
    let since = Instant::now();
    eventually("silence ends it", Duration::from_secs(12), async || {
        client.row("/llms", "llm").await.filter(|row| row["status"] == "inactive")
    })
    .await;
    assert!(since.elapsed() > Duration::from_secs(9), "it has ten seconds for its next poll");
}

#[tokio::test]
async fn who_polls_all_the_time_is_not_silent() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let _ = poll(&publisher, 0).await.expect("no panic").expect(200);
    let (sequence, since) = (client.sequence().await, Instant::now());
    while since.elapsed() < Duration::from_secs(12) {
        let _ = poll(&publisher, 0).await.expect("no panic").expect(200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(client.sequence().await, sequence, "it stays connected");
}

#[tokio::test]
async fn a_poll_is_a_sign_of_life_and_brings_back_what_had_expired() {
    let mcpd = Mcpd::start(&["--heartbeat-timeout", "1s", "--gc-interval", "100ms"]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let _ = poll(&publisher, 0).await.expect("no panic").expect(200);
    let is = async |status: &str| client.row("/llms", "llm").await.filter(|row| row["status"] == status);
    eventually("it is silent", super::SOON, async || is("inactive").await).await;
    let polling = poll(&publisher, 20);
    eventually("it is heard", super::SOON, async || is("active").await).await;
    let call = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let polled = polling.await;
    call.abort();
    assert_eq!(polled.expect("no panic").expect(200).json()["tasks"][0]["kind"], "infer");
}

#[tokio::test]
async fn polls_go_on_while_nobody_writes() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let _ = poll(&publisher, 0).await.expect("no panic").expect(200);
    let log = mcpd.home.data().join("log.db");
    std::fs::rename(&log, log.with_file_name("away.db")).expect("moved away");
    assert_eq!(client.post("/llms", &samples::public("lost", "http://h")).await.status, 503);
    let _ = poll(&publisher, 0).await.expect("no panic").expect(200);
}

#[tokio::test]
async fn polls_and_streams_supersede_each_other() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    let polling = poll(&publisher, 20);
    let goodbye = publisher.stream().next().await;
    assert_eq!((goodbye.name.as_str(), goodbye.data.as_str()), ("goodbye", r#"{"reason":"superseded"}"#));
    connected(&client).await;
    let (epoch, _) = publisher.connect("").await;
    assert_eq!(epoch, 3);
    let ended = within("the poll ends", super::SOON, polling).await.expect("no panic");
    ended.refused(410, "SUPERSEDED", "took over");
}

#[tokio::test]
async fn a_poll_ends_with_the_server() {
    let mut mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let polling = poll(&publisher, 50);
    connected(&client).await;
    mcpd.process.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = within("the poll ends", super::SOON, polling).await.expect("no panic");
    ended.refused(410, "SHUTDOWN", "the server stops");
    assert_eq!(mcpd.process.exit(mcpctl_tests::program::STOP).await.code(), Some(0));
    mcpd.start_again().await;
    let row = client.row("/llms", "llm").await.expect("a row");
    assert_eq!(row["status"], "active", "its end is no disconnect");
}

#[tokio::test]
async fn a_poll_revives_and_needs_a_known_session() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    assert_eq!(poll(&publisher, 0).await.expect("no panic").status, 404);
    publish(&publisher).await;
    publisher.connect("").await;
    publisher.hang_up();
    status(&client, "/llms", "llm", "inactive").await;
    let answer = poll(&publisher, 0).await.expect("no panic").expect(200).json();
    assert_eq!(answer, json!({"tasks": []}));
    status(&client, "/llms", "llm", "active").await;
    let bad = publisher.request(Method::GET, "/llms/_provider-tasks?waitSeconds=soon");
    let bad: Value = Client::send(bad).await.expect(400).json();
    assert!(bad["error"].is_string(), "{bad}");
}

#[tokio::test]
async fn cancels_come_by_poll_too() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let polling = poll(&publisher, 20);
    connected(&client).await;
    let waiting = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(true)).await });
    let task = polling.await.expect("no panic").json()["tasks"][0]["taskId"].clone();
    let polling = poll(&publisher, 20);
    waiting.abort();
    let frames = within("the cancel", Duration::from_secs(1), polling).await.expect("no panic").json();
    assert_eq!(frames["tasks"][0], json!({"kind": "cancel", "taskId": task}));
}
