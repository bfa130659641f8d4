//! What publishers cost that do nothing but stay connected: an Llm, an agent, a stream, and a heartbeat every 30 s over
//! a connection that is kept, as `mcplocal` does it.

use crate::line;
use futures_util::{StreamExt, stream};
use mcpctl_tests::{Client, Mcpd, Publisher, cluster::Cluster, samples};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep};

const FEW: usize = 1000;
const MANY: usize = 3000;
/// With a connection for each one's heartbeats, too, they would be more than a process of this machine may have: theirs
/// come as from a proxy, over few.
const CROWD: usize = 10_000;
const AT_ONCE: usize = 64;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(30);
/// Longer than a connection takes to rest, and whatever was done before to settle.
const SETTLE: Duration = Duration::from_secs(6);
const WATCH: Duration = Duration::from_mins(1);

pub async fn run() {
    println!("\nAt rest");
    let mcpd = Mcpd::start(&[]).await;
    sleep(SETTLE).await;
    let idle = mcpd.process.resident();
    line("resident, idle", &megabytes(idle));

    let mut publishers = Vec::new();
    connect(&mcpd, &mut publishers, FEW).await;
    beat(&publishers, HEARTBEAT_EVERY).await;
    sleep(SETTLE).await;
    let few = mcpd.process.resident();
    line(&format!("resident, each of the first {FEW} publishers"), &kilobytes(few - idle, FEW));

    let (began, before) = (Instant::now(), mcpd.process.cpu());
    beat(&publishers, WATCH).await;
    let cpu = mcpd.process.cpu().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    line(&format!("CPU with {FEW} publishers, of one core"), &format!("{:.2} %", cpu * 100.0));

    connect(&mcpd, &mut publishers, MANY).await;
    beat(&publishers, HEARTBEAT_EVERY).await;
    sleep(SETTLE).await;
    let grown = mcpd.process.resident() - few;
    line(&format!("resident, each of the next {}", MANY - FEW), &kilobytes(grown, MANY - FEW));
}

/// The same with many more, where log and tables are shared with other servers.
pub async fn crowd() {
    println!("\n{CROWD} publishers on one server, with its log in Kafka and its tables in Postgres");
    let mut cluster = Cluster::on(mcpctl_tests::Kafka::start());
    let mcpd = cluster.add(&[]).await;
    let (client, mut publishers) = (mcpd.client(), Vec::new());
    let begun = Instant::now();
    let mut connecting = stream::iter(0..CROWD).map(|number| publisher(client.clone(), number)).buffered(AT_ONCE);
    while let Some(publisher) = connecting.next().await {
        publishers.push(publisher);
    }
    let took = begun.elapsed().as_secs_f64();
    line(&format!("until all are registered and connected, {AT_ONCE} at once"), &format!("{took:.0} s"));
    beat(&publishers, HEARTBEAT_EVERY).await;
    let (began, before) = (Instant::now(), mcpd.process.cpu());
    beat(&publishers, WATCH).await;
    let cpu = mcpd.process.cpu().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    line("CPU of mcpd with their heartbeats, of one core", &format!("{:.1} %", cpu * 100.0));
    line("resident", &megabytes(mcpd.process.resident()));
    let connected = client.get("/agents?limit=100000").await.expect(200).text.matches("\"connected\":true").count();
    assert_eq!(connected, CROWD, "all of them stay connected");
}

async fn connect(mcpd: &Mcpd, publishers: &mut Vec<Publisher>, count: usize) {
    for number in publishers.len()..count {
        publishers.push(publisher(mcpd.client(), number).await);
    }
}

async fn publisher(client: Client, number: usize) -> Publisher {
    let (llm, agent) = (format!("llm-{number}"), format!("agent-{number}"));
    let mut publisher = Publisher::new(client, &format!("s{number}"));
    let registered = publisher.register(json!([samples::llm(&llm)]), json!([samples::agent(&agent, &llm)]));
    let _ = registered.await.expect(201);
    publisher.connect(mcpctl_tests::publisher::FEATURES).await;
    publisher
}

/// One heartbeat of each every 30 s, evenly spread, for so long.
async fn beat(publishers: &[Publisher], duration: Duration) {
    let count = u32::try_from(publishers.len()).expect("not that many");
    let mut ticks = interval(HEARTBEAT_EVERY / count);
    let began = Instant::now();
    for publisher in publishers.iter().cycle() {
        if began.elapsed() >= duration {
            return;
        }
        ticks.tick().await;
        let _ = publisher.heartbeat().await.expect(200);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn kilobytes(bytes: u64, of: usize) -> String {
    format!("{:.1} KB", bytes as f64 / 1e3 / of as f64)
}
