//! Publishers that a restart of the server left behind.

use mcpctl_tests::{Answer, Client, Mcpd, eventually, samples};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// A call of the Llm, and a chat with its agent, with the words that name each.
async fn refusals(client: &Client) -> [(&'static str, Answer); 2] {
    let call = client.post("/llms/llm/infer", &samples::ask(false)).await;
    let chat = client.post("/agents/agent/chat", &json!({"message": "hi"})).await;
    [("Llm 'llm'", call), ("Agent 'agent'", chat)]
}

#[tokio::test]
async fn who_did_not_come_back_says_when_it_was_last_heard_and_then_since_when_it_is_gone() {
    let flags = ["--connect-grace", "100ms", "--heartbeat-timeout", "3s", "--gc-interval", "100ms"];
    let mut mcpd = Mcpd::start(&flags).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let agents = json!([samples::agent("agent", "llm")]);
    let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    publisher.connect("").await;
    let before = client.row("/llms", "llm").await.expect("a row");
    mcpd.process.kill();
    mcpd.start_again().await;
    let row = client.row("/llms", "llm").await.expect("a row");
    assert_eq!((&row["status"], &row["connected"]), (&json!("active"), &json!(false)));
    let heard = row["lastHeartbeatAt"].as_str().expect("it was heard");
    assert!(row["lastHeartbeatAt"].as_str() <= before["lastHeartbeatAt"].as_str(), "a restart is no sign of life");
    for (name, answer) in refusals(&client).await {
        answer.refused(503, "OFFLINE", name);
        answer.refused(503, "OFFLINE", &format!("it was last heard at {heard}"));
        assert!(!answer.header("retry-after").is_empty());
    }

    let gone = eventually("its lease ends", SOON, async || {
        client.row("/llms", "llm").await.filter(|row| row["status"] == "inactive")
    })
    .await;
    let since = gone["inactiveSince"].as_str().expect("a time");
    for (name, answer) in refusals(&client).await {
        answer.refused(503, "OFFLINE", &format!("{name} is offline since"));
    }
    let answer = client.post("/llms/llm/infer", &samples::ask(false)).await;
    answer.refused(503, "OFFLINE", since);
    assert_eq!(client.get("/agents/agent/threads").await.json(), Value::Array(Vec::new()));
}
