//! How long nobody writes after the server that leads is gone.

use crate::line;
use mcpctl_tests::{cluster::Cluster, samples};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const ROUNDS: usize = 11;
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_mins(1);

pub async fn run() {
    println!("\nThe server that leads is gone, {ROUNDS} times, until another one writes: median / longest");
    let mut cluster = Cluster::start(2).await;
    for (what, signal) in [("kill -9", Signal::SIGKILL), ("SIGTERM", Signal::SIGTERM)] {
        let mut took = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            took.push(gone(&mut cluster, signal, &format!("{}-{round}", what.to_lowercase().replace(' ', ""))).await);
        }
        took.sort_unstable();
        let [median, longest] = [ROUNDS / 2, ROUNDS - 1].map(|at| took[at].as_secs_f64());
        line(&format!("from its {what}"), &format!("{median:.2} / {longest:.2} s"));
    }
}

async fn gone(cluster: &mut Cluster, signal: Signal, name: &str) -> Duration {
    let leader = cluster.leader(0).await;
    let client = cluster.nodes[1 - leader].client();
    let body = json!({"providerSessionId": name, "providers": [samples::llm(name)], "agents": []});
    // A write before, so that both are what they are in the middle of work.
    let _ = client.post("/llms/_provider-register", &body).await.expect(201);
    let begun = Instant::now();
    cluster.nodes[leader].process.signal(signal);
    let took = loop {
        let request = client.request(reqwest::Method::POST, "/llms/_provider-register?wait=false");
        let answer = mcpctl_tests::Client::try_send(request.header("idempotency-key", name).json(&body)).await;
        let elected = cluster.nodes[1 - leader].client();
        if answer.is_ok_and(|answer| answer.status == 201) && leads(&elected, cluster, 1 - leader).await {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < LONGEST, "nobody writes");
        sleep(PAUSE).await;
    };
    cluster.nodes[leader].start_again().await;
    took
}

/// Whether the last writer that was elected is this server.
async fn leads(client: &mcpctl_tests::Client, cluster: &Cluster, node: usize) -> bool {
    let answer = client.get("/events?type=registry.writer_elected.v1&limit=10000").await.expect(200).json();
    let last = answer.as_array().and_then(|events| events.last()).expect("somebody was elected");
    last["data"]["advertiseUrl"] == cluster.nodes[node].url
}
