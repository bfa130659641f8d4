//! Threads: what is kept, also when a turn fails or the server is killed.

use super::{Setting, events, messages, said};
use mcpctl_tests::{Mcpd, Model, Raw, Reply, eventually, samples};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn threads_are_listed_read_and_deleted() {
    let mut setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let first = json!({"message": "what is a fold?", "title": "Folds"});
    let (_, chat) = setting.turn(first, &[samples::completion("one")]).await;
    let thread = chat.json()["threadId"].clone();
    let (_, chat) = setting.turn(json!({"message": "another matter"}), &[samples::completion("two")]).await;
    let other = chat.json()["threadId"].clone();
    assert_ne!(thread, other);
    let listed = client.get("/agents/agent/threads").await.expect(200).json();
    let listed: Vec<_> = listed.as_array().expect("an array").iter().map(|row| (&row["id"], &row["title"])).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&(&thread, &json!("Folds"))) && listed.contains(&(&other, &json!("another matter"))));
    let path = format!("/threads/{}", thread.as_str().expect("an id"));
    assert_eq!(client.get(&path).await.expect(200).json()["title"], "Folds");
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.get(&format!("{path}/messages")).await.status, 404);
    assert_eq!(client.post("/agents/agent/chat", &json!({"message": "x", "threadId": thread})).await.status, 404);
    assert_eq!(client.get("/agents/nobody/threads").await.status, 404);
}

#[tokio::test]
async fn a_failed_turn_stays_and_the_thread_goes_on_without_it() {
    let mut setting = Setting::new(&[]).await;
    let failure = [json!({"error": "CUDA out of memory"})];
    let (_, chat) = setting.turn(json!({"message": "first"}), &failure).await;
    chat.refused(502, "PUBLISHER_ERROR", "CUDA out of memory");
    let threads = setting.mcpd.client().get("/agents/agent/threads").await.json();
    let thread = threads[0]["id"].clone();
    let stored = setting.messages(&thread).await;
    assert_eq!(stored[0], said("user", "first", "complete"));
    assert_eq!((stored[1].0.as_str(), stored[1].2.as_str()), ("assistant", "error"));
    let again = json!({"message": "second", "threadId": thread});
    let (request, chat) = setting.turn(again, &[samples::completion("fine")]).await;
    let _ = chat.expect(200);
    let asked = request["messages"].as_array().expect("messages").iter();
    let asked: Vec<_> = asked.map(|message| message["role"].as_str().unwrap_or_default()).collect();
    assert!(!asked.contains(&"assistant"), "what failed is not sent to the model: {request}");
    assert_eq!(setting.messages(&thread).await[3], said("assistant", "fine", "complete"));
}

#[tokio::test]
async fn what_no_database_holds_does_not_end_a_thread() {
    let mut setting = Setting::new(&[]).await;
    let (_, chat) = setting.turn(json!({"message": "first"}), &[samples::completion("a\0b")]).await;
    let thread = chat.expect(200).json()["threadId"].clone();
    assert_eq!(setting.messages(&thread).await[1], said("assistant", "a\u{fffd}b", "complete"));
    let again = json!({"message": "second", "threadId": thread});
    let (request, chat) = setting.turn(again, &[samples::completion("fine")]).await;
    let _ = chat.expect(200);
    assert!(request["messages"].to_string().contains("a\u{fffd}b"), "{request}");
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_an_error_event_and_so_does_its_turn() {
    let mut setting = Setting::new(&[]).await;
    let results = [samples::chunk(&samples::words("half ")), json!({"error": "boom"})];
    let (_, chat) = setting.turn(json!({"message": "hi", "stream": true}), &results).await;
    let chat = chat.expect(200);
    assert_eq!(chat.header("x-accel-buffering"), "no");
    let events = events(&chat);
    assert_eq!(events[0], json!({"type": "text", "delta": "half "}));
    let last = events.last().expect("events");
    assert_eq!(last["type"], "error");
    assert_eq!(last["code"], "PUBLISHER_ERROR");
    assert!(last["error"].as_str().is_some_and(|said| said.contains("boom")), "{last}");
    let threads = setting.mcpd.client().get("/agents/agent/threads").await.json();
    let stored = setting.messages(&threads[0]["id"]).await;
    assert_eq!(stored[1].2, "error");
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_call_and_fails_the_turn() {
    let mut setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.post("/agents/agent/chat", &json!({"message": "hi"})).await });
    let task = setting.publisher.task("infer").await;
    let thread = client.get("/agents/agent/threads").await.json()[0]["id"].clone();
    assert_eq!(setting.messages(&thread).await[1].2, "pending");
    call.abort();
    assert_eq!(setting.publisher.task("cancel").await, task);
    eventually("the turn has failed", SOON, async || (setting.messages(&thread).await[1].2 == "error").then_some(()))
        .await;
}

#[tokio::test]
async fn a_turn_that_a_kill_cut_off_is_an_error_after_the_restart() {
    let mut setting = Setting::new(&[]).await;
    let (_, chat) = setting.turn(json!({"message": "first"}), &[samples::completion("kept")]).await;
    let thread = chat.expect(200).json()["threadId"].clone();
    let client = setting.mcpd.client();
    let (caller, body) = (client.clone(), json!({"message": "second", "threadId": thread}));
    let request = caller.request(reqwest::Method::POST, "/agents/agent/chat").json(&body);
    let call = tokio::spawn(mcpctl_tests::Client::try_send(request));
    setting.publisher.task("infer").await;
    setting.mcpd.process.kill();
    assert!(call.await.expect("no panic").is_err(), "nobody answered");
    setting.mcpd.start_again().await;
    let stored = messages(&client, &thread).await;
    assert_eq!(
        stored[..3],
        [said("user", "first", "complete"), said("assistant", "kept", "complete"), said("user", "second", "complete"),]
    );
    assert_eq!((stored[3].0.as_str(), stored[3].2.as_str()), ("assistant", "error"));
    setting.publisher.connect("").await;
    let (_, chat) = setting.turn(json!({"message": "third", "threadId": thread}), &[samples::completion("on")]).await;
    assert_eq!(chat.expect(200).json()["turnIndex"], 5);
}

#[tokio::test]
async fn who_cannot_be_chatted_with_is_named() {
    let mut setting = Setting::new(&["--connect-grace", "100ms", "--disconnect-grace", "20ms"]).await;
    let client = setting.mcpd.client();
    let hi = json!({"message": "hi"});
    client.post("/agents/nobody/chat", &hi).await.refused(404, "NOT_FOUND", "Agent not found: nobody");
    assert_eq!(
        client.post("/agents/agent/chat", &json!({"text": "hi"})).await.expect(400).pointers(),
        ["/message", "/text"]
    );
    let lost = json!({"message": "hi", "threadId": "00000000-0000-7000-8000-000000000000"});
    assert_eq!(client.post("/agents/agent/chat", &lost).await.status, 404);
    let _ = client.post("/agents/agent/disable", &Value::Null).await.expect(200);
    client.post("/agents/agent/chat", &hi).await.refused(503, "DISABLED", "'agent' is disabled");
    let _ = client.post("/agents/agent/enable", &Value::Null).await.expect(200);
    setting.publisher.hang_up();
    eventually("the agent is inactive", SOON, async || {
        client.row("/agents", "agent").await.filter(|row| row["status"] == "inactive")
    })
    .await;
    client.post("/agents/agent/chat", &hi).await.refused(503, "OFFLINE", "'agent' is offline since");
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": "llm"})).await.expect(201);
    client.post("/agents/reviewer/chat", &hi).await.refused(503, "OFFLINE", "Llm 'llm' is offline since");
    assert_eq!(client.get("/agents/reviewer/threads").await.json(), json!([]));
    assert_eq!(client.get("/agents/agent/threads").await.json(), json!([]), "no turn begins that nobody can answer");
}

#[tokio::test]
async fn an_agent_on_a_public_model_and_a_published_one_on_it() {
    let setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let model = Model::start(mcpctl_tests::model::says("from upstream")).await;
    let _ = client.post("/llms", &samples::public("public", &model.url)).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": "public"})).await.expect(201);
    let chat = client.post("/agents/reviewer/chat", &json!({"message": "hi"})).await.expect(200).json();
    assert_eq!(chat["assistant"], "from upstream");
    let agents = json!([samples::agent("persona", "public")]);
    let _ = setting.publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    let chunks = vec![samples::words("streamed ")];
    model.replies(Reply::Chunks(chunks, Duration::ZERO));
    let chat = client.post("/agents/persona/chat", &json!({"message": "hi", "stream": true})).await.expect(200);
    let events = events(&chat);
    assert_eq!(events[0], json!({"type": "text", "delta": "streamed "}));
    assert_eq!(events[1]["type"], "final");
}

#[tokio::test]
async fn a_caller_that_leaves_at_once_leaves_no_turn_pending() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, model) = (mcpd.client(), Model::start(Reply::Never).await);
    let _ = client.post("/llms", &samples::public("llm", &model.url)).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "agent", "llm": "llm"})).await.expect(201);
    let message = json!({"message": "hello"}).to_string();
    for _ in 0..20 {
        let mut caller = Raw::post(&mcpd, "/agents/agent/chat", message.len(), "").await;
        caller.send(&message).await;
    }
    eventually("all turns have ended", SOON, async || {
        let threads = client.get("/agents/agent/threads").await.expect(200).json();
        let threads: Vec<Value> = threads.as_array().cloned().unwrap_or_default();
        for thread in &threads {
            let path = format!("/threads/{}/messages", thread["id"].as_str().expect("an id"));
            let messages = client.get(&path).await.expect(200).json();
            if messages.as_array().into_iter().flatten().any(|message| message["status"] == "pending") {
                return None;
            }
        }
        (!threads.is_empty()).then_some(())
    })
    .await;
}
