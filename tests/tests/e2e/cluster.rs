//! Several servers on one log in Kafka, with their tables in Postgres.

mod chaos;
mod composed;
mod leading;
mod migrating;
mod relaying;
mod subscribing;

use mcpctl_tests::{
    client::{Answer, sequence_of},
    cluster::Cluster,
    samples,
};
use serde_json::json;

/// Registers an Llm at one of the servers, with a key.
async fn register(cluster: &Cluster, node: usize, llm: &str) -> Answer {
    let body = json!({"providerSessionId": format!("of-{llm}"), "providers": [samples::llm(llm)], "agents": []});
    let client = cluster.nodes[node].client();
    let request = client.request(reqwest::Method::POST, "/llms/_provider-register").header("idempotency-key", llm);
    mcpctl_tests::client::Client::send(request.json(&body)).await
}

/// The names of all Llms, as one of the servers lists them.
async fn llms(cluster: &Cluster, node: usize) -> Vec<String> {
    let rows = cluster.nodes[node].client().get("/llms").await.expect(200).json();
    rows.as_array().expect("rows").iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

/// The history is one: without a gap, and the tables are what it says.
async fn assert_one_history(cluster: &Cluster, node: usize) {
    let events = cluster.nodes[node].client().events(0).await;
    let sequences: Vec<_> = events.iter().map(sequence_of).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    let (url, token) = (cluster.nodes[node].url.clone(), cluster.nodes[node].home.token());
    let verified = cluster.nodes[node].mcpctl(&["--server", &url, "--token", &token, "audit", "verify"]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&[verified.stdout, verified.stderr].concat()));
}
