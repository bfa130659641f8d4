//! Calls on their way to the model server and back.

use super::{SOON, Setting};
use mcpctl_tests::{Client, Reply, eventually, model::says, samples, sse::Sse, within};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

async fn call(client: &Client) -> String {
    let answer = client.post("/llms/llm/infer", &samples::ask(false)).await.expect(200).json();
    answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_published_model_answers_whole_streamed_and_as_an_agent() {
    let setting = Setting::new(says("hello"), &[]).await;
    assert_eq!(call(&setting.client).await, "hello");
    let asked = setting.model.calls().pop().expect("a call");
    assert_eq!(asked.path, "/v1/chat/completions");
    assert!(asked.body.contains(r#""model":"m""#), "{}", asked.body);
    assert!(asked.headers.get("authorization").is_none(), "the server's token never leaves for the model server");

    let chunks: Vec<_> = (0..100).map(|n| samples::words(&format!("w{n} "))).collect();
    setting.model.replies(Reply::Chunks(chunks.clone(), Duration::ZERO));
    let answer = setting.client.post("/llms/llm/infer", &samples::ask(true)).await.expect(200);
    assert_eq!(answer.data(), [chunks, vec!["[DONE]".to_owned()]].concat());

    setting.model.replies(says("as an agent"));
    let chat = setting.client.post("/agents/llm-agent/chat", &json!({"message": "hi"})).await.expect(200).json();
    assert_eq!(chat["assistant"], "as an agent");
    assert!(setting.model.calls().pop().expect("a call").body.contains("Be terse."));
}

#[tokio::test]
async fn odd_answers_come_back_as_the_model_server_gave_them() {
    let odd = r#"{"z":1,"a":[0.10,1e400],"text":"\u2028 🦀 \ud83e\udd80"}"#;
    let setting = Setting::new(Reply::Whole(200, "application/json", odd.into()), &[]).await;
    let answer = setting.client.post("/llms/llm/infer", &samples::ask(false)).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, odd));
    setting.model.replies(Reply::Whole(429, "application/json", r#"{"error":{"message":"slow"}}"#.into()));
    let answer = setting.client.post("/llms/llm/infer", &samples::ask(true)).await;
    assert_eq!((answer.status, answer.text.as_str()), (429, r#"{"error":{"message":"slow"}}"#));
    setting.model.replies(Reply::Whole(500, "text/html", "<h1>no</h1>".into()));
    let answer = setting.client.post("/llms/llm/infer", &samples::ask(false)).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.header("content-type")), (500, "<h1>no</h1>", "text/html"));
    setting.model.replies(Reply::Breaks(vec!["first".into()]));
    let answer = setting.client.post("/llms/llm/infer", &samples::ask(true)).await.expect(200);
    let events = answer.data();
    assert_eq!((events.len(), events[0].as_str()), (2, "first"));
    assert!(events[1].contains(r#""code":"PUBLISHER_ERROR""#), "{events:?}");
}

/// As large as a body may be.
const LARGEST: usize = 16 << 20;

#[tokio::test]
async fn the_largest_requests_arrive_and_disturb_nobody() {
    for flags in [&[][..], &["--transport", "long-poll"][..]] {
        let setting = Setting::new(says("read"), flags).await;
        let ask = |bytes: usize| {
            let empty = json!({"messages": [{"role": "user", "content": ""}]}).to_string();
            let content = "x".repeat(bytes - empty.len());
            setting.client.post_text("/llms/llm/infer", empty.replace(r#""""#, &format!("\"{content}\"")))
        };
        let answers = tokio::join!(ask(LARGEST), ask(LARGEST - 50), ask(LARGEST / 2), ask(200));
        for answer in [answers.0, answers.1, answers.2, answers.3] {
            let _ = answer.expect(200);
        }
        ask(LARGEST + 1).await.refused(413, "BODY_TOO_LARGE", "--max-body");
        let calls: Vec<_> = setting.model.calls().iter().map(|call| call.body.len()).collect();
        assert_eq!(calls.iter().filter(|bytes| **bytes >= LARGEST / 2).count(), 3, "{flags:?}: {calls:?}");
        assert!(!setting.mcplocal.process.log().contains("lost"), "{}", setting.mcplocal.process.log());
    }
}

#[tokio::test]
async fn a_caller_that_leaves_frees_the_model_server() {
    let setting = Setting::new(Reply::Never, &[]).await;
    for streaming in [false, true] {
        let request = setting.client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(streaming));
        let waiting = tokio::spawn(Client::send(request));
        eventually("the model is called", SOON, async || (setting.model.open() == 1).then_some(())).await;
        waiting.abort();
        let freed = || (setting.model.open() == 0).then_some(());
        eventually("the model's connection is dropped", Duration::from_secs(1), async || freed()).await;
    }
    setting.model.replies(Reply::Endless(samples::words("on "), Duration::from_millis(5)));
    let request = setting.client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    answer.next().await;
    drop(answer);
    let freed = || (setting.model.open() == 0).then_some(());
    eventually("the model's connection is dropped", Duration::from_secs(1), async || freed()).await;
}

#[tokio::test]
async fn a_slow_caller_slows_the_model_server() {
    let setting = Setting::new(Reply::Endless("x".repeat(64 << 10), Duration::ZERO), &[]).await;
    let request = setting.client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    answer.next().await;
    let before = [&setting.mcpd.process, &setting.mcplocal.process].map(mcpctl_tests::program::Program::resident);
    // Long enough to take gigabytes, if nobody held it back.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = [&setting.mcpd.process, &setting.mcplocal.process].map(mcpctl_tests::program::Program::resident);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after.saturating_sub(before) < 24 << 20, "from {before} to {after} bytes");
    }
    for _ in 0..100 {
        answer.next().await;
    }
}

#[tokio::test]
async fn it_outlives_the_death_of_its_server() {
    let mut setting = Setting::new(says("hello"), &[]).await;
    let row = setting.client.row("/llms", "llm").await.expect("a row");
    setting.mcpd.process.kill();
    setting.mcpd.start_again().await;
    setting.mcplocal.connected(&setting.client, "llm").await;
    assert_eq!(call(&setting.client).await, "hello");
    assert_eq!(setting.client.row("/llms", "llm").await.expect("a row")["id"], row["id"]);
    assert!(setting.mcplocal.process.ended().is_none());
}

#[tokio::test]
async fn it_comes_back_as_the_same_session_and_leaves_when_it_is_told_to() {
    let mut setting = Setting::new(says("hello"), &[]).await;
    let file = setting.mcpd.home.mcpctl().join("provider-session");
    let session = std::fs::read_to_string(&file).expect("the session id is stored");
    let row = setting.client.row("/agents", "llm-agent").await.expect("a row");
    setting.mcplocal.start_again();
    let again = eventually("its second stream is bound", SOON, async || {
        let connected = setting.client.events(0).await;
        connected.into_iter().find(|e| e["type"] == "mcpctl.session.connected.v1" && e["data"]["epoch"] == 2)
    })
    .await;
    assert!(again["subject"].as_str().is_some_and(|subject| subject.ends_with(session.trim())), "{again}");
    setting.mcplocal.connected(&setting.client, "llm").await;
    assert_eq!(std::fs::read_to_string(&file).expect("the session id is stored"), session);
    assert_eq!(setting.client.row("/agents", "llm-agent").await.expect("a row")["id"], row["id"]);
    assert!(setting.mcplocal.process.stop().await.success());
    eventually("its rows are inactive", Duration::from_secs(2), async || {
        setting.client.row("/agents", "llm-agent").await.filter(|row| row["status"] == "inactive")
    })
    .await;
}

#[tokio::test]
async fn tasks_come_by_long_poll_if_asked_to() {
    let setting = Setting::new(says("polled"), &["--transport", "long-poll"]).await;
    let events = setting.client.events(0).await;
    let connected = events.iter().find(|e| e["type"] == "mcpctl.session.connected.v1").expect("it is on record");
    assert!(connected["data"]["transport"].as_str().is_some_and(|way| way.contains("oll")), "{connected}");
    for _ in 0..3 {
        assert_eq!(call(&setting.client).await, "polled");
    }
    setting.model.replies(Reply::Endless(samples::words("on "), Duration::from_millis(5)));
    let request = setting.client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(true));
    let mut answer = Sse::new(within("an answer", SOON, request.send()).await.expect("an answer"));
    answer.next().await;
    drop(answer);
    let freed = || (setting.model.open() == 0).then_some(());
    eventually("the model's connection is dropped", Duration::from_secs(1), async || freed()).await;
}
