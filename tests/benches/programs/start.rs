//! From the start of the process to the first `/readyz` that says 200.

use crate::line;
use futures_util::future::join_all;
use mcpctl_tests::{Client, Mcpd};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

const RUNS: usize = 7;
const EVENTS: u64 = 1_000_000;
const SESSIONS: u64 = 20;
const AGENTS: u64 = 49;

pub async fn run() {
    println!("\nStart, until /readyz says 200; median of {RUNS}");
    let mut mcpd = Mcpd::start(&[]).await;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        mcpd.process.kill();
        fs::remove_dir_all(mcpd.home.data()).expect("the server's data");
        took.push(start(&mut mcpd).await);
    }
    line("on an empty store", &median(took));

    let mut mcpd = Mcpd::start(&[]).await;
    let rounds = EVENTS / SESSIONS / (AGENTS + 1) + 1;
    for round in 0..rounds {
        join_all((0..SESSIONS).map(|session| register(mcpd.client(), session, round))).await;
    }
    let sequence = mcpd.client().sequence().await;
    assert!(sequence >= EVENTS, "{sequence} events");
    let mut took = Vec::new();
    for _ in 0..RUNS {
        mcpd.process.kill();
        took.push(start(&mut mcpd).await);
    }
    line(&format!("on {sequence} events, after kill -9"), &median(took));
    let mut took = Vec::new();
    for _ in 0..RUNS {
        mcpd.process.kill();
        // There is none if nothing was ever saved, which the figure above would show.
        let _ = fs::remove_file(mcpd.home.data().join("snapshot.json"));
        took.push(start(&mut mcpd).await);
    }
    line("the same without its snapshot: reads, checks and folds all of it", &median(took));
}

async fn start(mcpd: &mut Mcpd) -> Duration {
    let client = Client::new(&mcpd.url, None);
    let began = Instant::now();
    mcpd.spawn_again();
    loop {
        let answer = Client::try_send(client.at_root(Method::GET, "/readyz")).await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            return began.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
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

fn median(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    format!("{} ms", took[took.len() / 2].as_millis())
}
