//! `X-Mcpctl-Sequence`: whoever wrote can read what they wrote.

use mcpctl_tests::{Answer, Client, Mcpd, samples};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const URL: &str = "http://127.0.0.1:9";
/// Rows of one register: more than the read tables take in the moment between a commit and its answer.
const MANY: usize = 500;

/// The answer names the sequence that the lists are at now.
async fn is_current(what: &str, client: &Client, answer: &Answer) {
    assert!(answer.status < 300, "{what}: {}", answer.text);
    assert_eq!(answer.header("x-mcpctl-sequence"), client.sequence().await.to_string(), "{what}");
    assert_eq!(answer.header("x-mcpctl-projected"), "", "{what}: the tables hold it");
}

#[tokio::test]
async fn every_write_names_its_sequence() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    let agents = json!([samples::agent("agent", "llm")]);
    for what in ["register", "a register that changes nothing"] {
        let answer = publisher.register(json!([samples::llm("llm")]), agents.clone()).await;
        is_current(what, &client, &answer).await;
    }
    is_current("heartbeat", &client, &publisher.heartbeat().await).await;
    let _ = client.post("/llms/llm/disable", &json!({})).await.expect(200);
    is_current("heartbeat", &client, &publisher.heartbeat().await).await;
    is_current("gc", &client, &client.post("/gc", &json!({})).await).await;
    let mut before = client.sequence().await;
    let reviewer = json!({"name": "reviewer", "llm": "public"});
    let described = |body: &Value| {
        let mut body = body.clone();
        body["description"] = json!("changed");
        body
    };
    let public = samples::public("public", URL);
    for (what, answer) in [
        ("create an Llm", client.post("/llms", &public).await),
        ("create an agent", client.post("/agents", &reviewer).await),
        ("replace an Llm", client.put("/llms/public", &described(&public)).await),
        ("replace an agent", client.put("/agents/reviewer", &described(&reviewer)).await),
        ("disable an agent", client.post("/agents/reviewer/disable", &json!({})).await),
        ("enable an agent", client.post("/agents/reviewer/enable", &json!({})).await),
        ("delete an agent", client.delete("/agents/reviewer").await),
        ("delete an Llm", client.delete("/llms/public").await),
    ] {
        assert!(answer.status < 300, "{what}: {}", answer.text);
        assert!(answer.sequence() > before, "{what} is at {} after {before}", answer.sequence());
        before = answer.sequence();
    }
    assert_eq!(client.sequence().await, before);
}

#[tokio::test]
async fn every_list_names_the_sequence_that_it_is_at() {
    let mut setting = crate::chat::Setting::new(&[]).await;
    let (_, chat) = setting.turn(json!({"message": "hi"}), &[samples::completion("hello")]).await;
    let thread = chat.expect(200).json()["threadId"].as_str().expect("an id").to_owned();
    let client = setting.mcpd.client();
    let written = client.post("/llms", &samples::public("public", URL)).await.expect(201).sequence();
    for path in [
        "/llms",
        "/agents",
        "/agents?kind=public",
        "/events?limit=1",
        "/agents/agent/threads",
        &format!("/threads/{thread}/messages"),
    ] {
        let answer = client.get(path).await.expect(200);
        assert_eq!(answer.header("x-mcpctl-sequence"), written.to_string(), "{path}");
    }
}

#[tokio::test]
async fn the_end_of_a_thread_is_a_write_too() {
    let mut setting = crate::chat::Setting::new(&[]).await;
    let (_, chat) = setting.turn(json!({"message": "hi"}), &[samples::completion("hello")]).await;
    let thread = chat.expect(200).json()["threadId"].as_str().expect("an id").to_owned();
    let client = setting.mcpd.client();
    is_current("delete a thread", &client, &client.delete(&format!("/threads/{thread}")).await).await;
}

#[tokio::test]
async fn who_does_not_wait_is_told_how_far_the_tables_are() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let llms: Vec<Value> = (0..MANY).map(|n| samples::llm(&format!("llm-{n}"))).collect();
    let body = json!({"providerSessionId": "one", "providers": llms});
    let answer = client.post("/llms/_provider-register?wait=false", &body).await.expect(201);
    let projected: u64 = answer.header("x-mcpctl-projected").parse().expect("the tables are behind");
    assert!(projected < answer.sequence(), "{projected}, {}", answer.sequence());
    let rows = client.get(&format!("/llms?minSequence={}", answer.sequence())).await.expect(200);
    assert_eq!(rows.json().as_array().map(Vec::len), Some(MANY));
    assert!(rows.sequence() >= answer.sequence());

    let publisher = mcpd.publisher("one");
    let heartbeat = json!({"providerSessionId": publisher.session});
    let writes = [("/llms/_provider-heartbeat", heartbeat), ("/gc", json!({})), ("/llms/llm-1/disable", json!({}))];
    for (path, body) in writes {
        let answer = client.post(&format!("{path}?wait=false"), &body).await.expect(200);
        assert!(answer.sequence() >= rows.sequence(), "{path}");
    }
    for path in ["/llms/llm-2", "/agents/nobody"] {
        assert!(client.delete(&format!("{path}?wait=false")).await.status < 500, "{path}");
    }
}

#[tokio::test]
async fn a_list_waits_five_seconds_for_what_is_not_there_yet() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let sequence = client.sequence().await;
    let began = Instant::now();
    let _ = client.get(&format!("/agents?minSequence={sequence}")).await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(2), "what is there is not waited for");
    let (ahead, beyond) = (sequence + 1, sequence + 1000);
    let reader = client.clone();
    let waiting = tokio::spawn(async move { reader.get(&format!("/llms?minSequence={ahead}")).await });
    let began = Instant::now();
    let path = format!("/llms?minSequence={beyond}");
    let late = client.get(&path);
    let write = async {
        let _ = client.post("/llms", &samples::public("public", URL)).await.expect(201);
        waiting.await.expect("no panic").expect(200).json()
    };
    let (late, seen) = tokio::join!(late, write);
    assert_eq!(seen[0]["name"], "public", "the wait ends with the write");
    late.refused(504, "TABLES_BEHIND", &beyond.to_string());
    let took = began.elapsed();
    assert!(took > Duration::from_millis(4500) && took < Duration::from_secs(10), "{took:?}");
}
