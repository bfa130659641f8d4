//! The publisher's side of the protocol, spoken by hand.

#[path = "publishing/forgotten.rs"]
mod forgotten;
#[path = "publishing/polling.rs"]
mod polling;
#[path = "publishing/refusals.rs"]
mod refusals;
#[path = "publishing/register.rs"]
mod register;
#[path = "publishing/results.rs"]
mod results;
#[path = "publishing/streams.rs"]
mod streams;
#[path = "publishing/sweep.rs"]
mod sweep;

use mcpctl_tests::{Client, Publisher, eventually, samples};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// Declares Llm `llm` and agent `agent` on it.
async fn publish(publisher: &Publisher) -> Value {
    let answer = publisher.register(json!([samples::llm("llm")]), json!([samples::agent("agent", "llm")])).await;
    answer.expect(201).json()
}

/// Waits until a row has this status, and returns it.
async fn status(client: &Client, list: &str, name: &str, status: &str) -> Value {
    eventually(format!("{name} is {status}"), SOON, async || {
        client.row(list, name).await.filter(|row| row["status"] == status)
    })
    .await
}

/// Type (without `mcpctl.` and version), subject and cause of the lifecycle events of Llms and agents above `after`.
async fn lifecycle(client: &Client, after: u64) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = client.events(after).await.into_iter();
    let events = events.map(|event| (text(&event["type"]), text(&event["subject"]), text(&event["data"]["cause"])));
    let events = events.filter(|(_, subject, _)| subject.starts_with("llm/") || subject.starts_with("agent/"));
    events
        .map(|(kind, subject, cause)| {
            let kind = kind.trim_start_matches("mcpctl.").trim_end_matches(".v1").to_owned();
            (kind, subject, cause)
        })
        .collect()
}

/// The same, to compare with.
fn event(kind: &str, subject: &str, cause: &str) -> (String, String, String) {
    (kind.to_owned(), subject.to_owned(), cause.to_owned())
}
