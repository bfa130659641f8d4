//! SIGTERM: what is under way is answered if it can be, and the end comes in time.

use crate::calls::{Setting, begun};
use mcpctl_tests::{
    Mcpd, Mcplocal, Model, Raw, Reply, eventually, mcplocal,
    program::STOP,
    samples,
    sse::{Event, Sse},
    within,
};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);
/// Bytes of an answer: more than fits between the server and a caller that does not read.
const UNREAD: usize = 15 << 20;

#[tokio::test]
async fn a_call_under_way_is_answered_to_its_end() {
    let mut setting = Setting::new(&[]).await;
    let (call, task) = setting.stream().await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "first");
    setting.mcpd.process.signal(Signal::SIGTERM);
    // An `ack` may come before.
    let stream = setting.publisher.stream();
    let goodbye = loop {
        match stream.next().await {
            Event { name, .. } if name == "task" => {}
            other => break other,
        }
    };
    assert_eq!((goodbye.name.as_str(), goodbye.data.as_str()), ("goodbye", r#"{"reason":"shutdown"}"#));
    setting.publisher.hang_up();
    for word in ["second", "third"] {
        assert!(upload.send(&samples::chunk(word)).await, "the upload is still read");
        assert_eq!(answer.next().await.data, word);
    }
    upload.send(&samples::done()).await;
    assert_eq!(within("the end of the answer", SOON, answer.rest()).await, ["[DONE]"]);
    let _ = upload.finish().await.expect(202);
    assert_eq!(setting.mcpd.process.exit(STOP).await.code(), Some(0));
}

#[tokio::test]
async fn a_call_that_had_no_byte_yet_is_answered_too() {
    let mut setting = Setting::new(&[]).await;
    let (call, frame) = setting.call(samples::ask(false).to_string()).await;
    let upload = setting.publisher.upload(&mcpctl_tests::publisher::task_id(&frame));
    upload.send(&json!({"accepted": true})).await;
    assert_eq!(setting.publisher.task("ack").await, mcpctl_tests::publisher::task_id(&frame));
    setting.mcpd.process.signal(Signal::SIGTERM);
    assert_eq!(setting.publisher.stream().next().await.name, "goodbye");
    upload.send(&samples::completion("just in time")).await;
    let answer = within("the answer", SOON, call).await.expect("no panic").expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "just in time");
    let _ = upload.finish().await.expect(202);
    assert_eq!(setting.mcpd.process.exit(STOP).await.code(), Some(0));
}

#[tokio::test]
async fn a_turn_under_way_is_kept_complete() {
    let mut setting = crate::chat::Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let body = json!({"message": "hi", "stream": true});
    let caller = client.clone();
    let chat = tokio::spawn(async move { caller.post("/agents/agent/chat", &body).await });
    let task = setting.publisher.task("infer").await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk(&samples::words("half "))).await;
    let thread = eventually("the turn has begun", SOON, async || {
        client.get("/agents/agent/threads").await.json()[0]["id"].as_str().map(str::to_owned)
    })
    .await;
    setting.mcpd.process.signal(Signal::SIGTERM);
    assert_eq!(setting.publisher.stream().next().await.name, "goodbye");
    upload.send(&samples::chunk(&samples::words("and half"))).await;
    upload.send(&samples::done()).await;
    let answer = within("the answer", SOON, chat).await.expect("no panic").expect(200);
    let last = answer.data().pop().expect("an event");
    assert!(last.starts_with(r#"{"type":"final""#), "{last}");
    assert_eq!(setting.mcpd.process.exit(STOP).await.code(), Some(0));
    setting.mcpd.start_again().await;
    let stored = client.get(&format!("/threads/{thread}/messages")).await.expect(200).json();
    assert_eq!((&stored[1]["content"], &stored[1]["status"]), (&json!("half and half"), &json!("complete")));
}

#[tokio::test]
async fn the_real_publisher_finishes_what_it_began() {
    let chunks: Vec<_> = (0..20).map(|n| samples::words(&n.to_string())).collect();
    let model = Model::start(Reply::Chunks(chunks.clone(), Duration::from_millis(100))).await;
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let mcplocal = Mcplocal::start(&mcpd.home, &mcplocal::config("local", &model.url), &[]);
    mcplocal.connected(&client, "local").await;
    let request = client.request(Method::POST, "/llms/local/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    assert_eq!(answer.next().await.data, chunks[0]);
    mcpd.process.signal(Signal::SIGTERM);
    let rest = within("the end of the answer", SOON, answer.rest()).await;
    assert_eq!(rest, [&chunks[1..], &["[DONE]".to_owned()]].concat());
    assert_eq!(mcpd.process.exit(STOP).await.code(), Some(0));
}

#[tokio::test]
async fn a_public_stream_without_end_does_not_hold_it_up() {
    let model = Model::start(Reply::Endless(samples::words("on "), Duration::from_millis(5))).await;
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("public", &model.url)).await.expect(201);
    let request = client.request(Method::POST, "/llms/public/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    answer.next().await;
    mcpd.process.signal(Signal::SIGTERM);
    let (status, rest) = tokio::join!(mcpd.process.exit(STOP), answer.rest());
    assert_eq!(status.code(), Some(0));
    assert!(rest.last().is_some_and(|last| last != "[DONE]"), "what was cut does not look complete");
    mcpd.verify().await;
}

#[tokio::test]
async fn a_body_that_never_ends_does_not_hold_it_up() {
    let mut mcpd = Mcpd::start(&[]).await;
    let mut raw = Raw::post(&mcpd, "/llms", 1000, "expect: 100-continue\r\n").await;
    // The server says so once it waits for the body.
    raw.read_until("100 Continue").await;
    raw.send("{\"name\": ").await;
    assert_eq!(mcpd.process.stop().await.code(), Some(0), "{}", mcpd.process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_does_not_hold_it_up() {
    let mut setting = Setting::new(&[]).await;
    let ask = samples::ask(true).to_string();
    let mut unread = Raw::post(&setting.mcpd, "/llms/llm/infer", ask.len(), "").await;
    unread.send(&ask).await;
    let task = setting.publisher.task("infer").await;
    let objects = [samples::chunk(&"x".repeat(UNREAD)), samples::done()];
    let _ = setting.publisher.results(&task, &objects).await.expect(202);
    let status = setting.mcpd.process.stop().await;
    assert_eq!(status.code(), Some(0), "{}", setting.mcpd.process.log());
    drop(unread);
}
