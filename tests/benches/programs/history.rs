//! A long history: events of twenty publishers, whose thousand rows change again and again.

use futures_util::future::join_all;
use mcpctl_tests::{Client, Mcpd};
use serde_json::{Value, json};
use std::time::Duration;

const SESSIONS: u64 = 20;
const AGENTS: u64 = 49;

/// Makes one of at least so many events, and returns the last sequence.
pub async fn make(mcpd: &Mcpd, events: u64) -> u64 {
    for round in 0..=events / SESSIONS / (AGENTS + 1) {
        join_all((0..SESSIONS).map(|session| register(mcpd.client(), session, round))).await;
    }
    let sequence = mcpd.client().sequence().await;
    assert!(sequence >= events, "{sequence} events");
    sequence
}

/// A declaration in which everything changes from round to round.
async fn register(client: Client, session: u64, round: u64) {
    let description = format!("round {round}");
    let llm = format!("llm-{session}");
    let agents: Vec<Value> = (0..AGENTS)
        .map(|agent| json!({"name": format!("agent-{session}-{agent}"), "llmName": llm, "description": description}))
        .collect();
    let providers = json!([{"name": llm, "type": "openai", "model": "m", "description": description}]);
    let body = json!({"providerSessionId": format!("s{session}"), "providers": providers, "agents": agents});
    let _ = client.post("/llms/_provider-register", &body).await.expect(201);
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub fn rate(events: u64, took: Duration) -> String {
    format!("{:.0} events/s", events as f64 / took.as_secs_f64())
}
