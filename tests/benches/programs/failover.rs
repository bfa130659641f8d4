//! How long nobody writes after the server that leads is gone.

use crate::line;
use mcpctl_tests::{
    client::{Client, sequence_of},
    cluster::Cluster,
    samples,
};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

const ROUNDS: usize = 11;
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks who leads, which is asked for aside from the writes: it takes a while.
const LOOK: Duration = Duration::from_millis(200);
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
    let (answers, mut answered) = mpsc::unbounded_channel();
    // Also before, so that both are what they are in the middle of work.
    let mut writer = JoinSet::new();
    writer.spawn(write(client.clone(), name.to_owned(), answers));
    let _ = answered.recv().await.expect("it writes");
    let begun = Instant::now();
    cluster.nodes[leader].process.signal(signal);
    let elected = timeout(LONGEST, elected(&client, &cluster.nodes[1 - leader].url)).await.expect("another one leads");
    let took = loop {
        let (at, sequence) = timeout(LONGEST, answered.recv()).await.expect("somebody writes").expect("it writes");
        if sequence > elected {
            break at.duration_since(begun);
        }
    };
    drop(writer);
    cluster.nodes[leader].start_again().await;
    took
}

/// Changes a row again and again; when each change was on the log, and its sequence.
async fn write(client: Client, name: String, done: mpsc::UnboundedSender<(Instant, u64)>) {
    for change in 0.. {
        let mut llm = samples::llm(&name);
        llm["description"] = json!(change.to_string());
        let body = json!({"providerSessionId": name, "providers": [llm], "agents": []});
        let request = client.request(reqwest::Method::POST, "/llms/_provider-register?wait=false").json(&body);
        if let Ok(answer) = Client::try_send(request).await
            && answer.status == 201
        {
            let _ = done.send((Instant::now(), answer.sequence()));
        }
        sleep(PAUSE).await;
    }
}

/// Waits until the last writer that was elected is the server at `url`; the sequence of its election.
async fn elected(client: &Client, url: &str) -> u64 {
    loop {
        sleep(LOOK).await;
        let answer = client.get("/events?type=registry.writer_elected.v1&limit=10000").await.expect(200).json();
        let last = answer.as_array().and_then(|events| events.last()).expect("somebody was elected");
        if last["data"]["advertiseUrl"] == url {
            return sequence_of(last);
        }
    }
}
