//! Two servers on a log in Kafka, with their tables in Postgres: what a write costs, how soon the other server shows it,
//! and how many there are a second. Broker, database, servers and callers share this machine.

use crate::{history, line};
use mcpctl_tests::{Client, cluster::Cluster, eventually, program::Program, samples};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{task::JoinSet, time::sleep};

/// Few: the broker of the tests, which keeps each batch apart in memory, takes ever longer the more of them there are.
const WRITES: usize = 200;
const SHOWN: usize = 200;
const CALLERS: usize = 64;
const PROJECTED: u64 = 250_000;
const RUN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);
/// Longest time until tables hold the whole history.
const FILLED: Duration = Duration::from_mins(5);

pub async fn run() {
    println!("\nTwo servers on Kafka and Postgres");
    for (what, leads, query) in [
        ("registers, 1 caller, on the log, p50 / p99", true, "?wait=false"),
        ("the same, and in the tables", true, ""),
        ("the same, by way of the server that does not lead", false, ""),
    ] {
        let cluster = Cluster::start(2).await;
        let (leader, follower) = two(&cluster).await;
        line(what, &percentiles(writes(if leads { &leader } else { &follower }, query).await));
    }
    for (what, leads) in [("leads", true), ("does not", false)] {
        let what = format!("from a register where one {what}, until the other one shows it, p50 / p99");
        let cluster = Cluster::start(2).await;
        let (leader, follower) = two(&cluster).await;
        let (here, there) = if leads { (leader, follower) } else { (follower, leader) };
        line(&what, &percentiles(shown(&here, &there).await));
    }
    for (what, query) in [("on the log", "?wait=false"), ("and in the tables", "")] {
        let what = format!("registers a second, {CALLERS} callers, {what}");
        let cluster = Cluster::start(2).await;
        line(&what, &format!("{:.0}", crowd(&two(&cluster).await.0, query).await));
    }
}

/// Callers of the server that leads, and of the other one.
async fn two(cluster: &Cluster) -> (Client, Client) {
    let leader = cluster.leader(0).await;
    (cluster.nodes[leader].client(), cluster.nodes[1 - leader].client())
}

/// The tables made from a long log, by a projector of its own.
pub async fn project() {
    println!("\nA log in Kafka into tables in Postgres, {PROJECTED} events");
    let mut cluster = Cluster::on(mcpctl_tests::Kafka::start());
    let server = cluster.add(&[]).await;
    let begun = Instant::now();
    let events = history::make(server, PROJECTED).await;
    line("written and projected by one server, 20 callers", &history::rate(events, begun.elapsed()));
    let db = cluster.postgres.create("again");
    let args = ["--log", &*cluster.log(), "--db", &*db].map(str::to_owned);
    let begun = Instant::now();
    let mut projector = Program::start("mcpd-projector", &cluster.home, &args, &[]);
    eventually("the tables are filled", FILLED, async || {
        sleep(PAUSE * 100).await;
        assert!(projector.ended().is_none(), "it goes on");
        let is_there = "SELECT to_regclass('projection_checkpoint') IS NOT NULL";
        if cluster.postgres.run("again", is_there).trim() != "t" {
            return None;
        }
        let reached = cluster.postgres.run("again", "SELECT sequence FROM projection_checkpoint");
        (reached.trim().parse::<u64>().ok()? >= events).then_some(())
    })
    .await;
    line("by `mcpd-projector` into an empty database", &history::rate(events, begun.elapsed()));
    let size = cluster.postgres.run("again", "SELECT pg_database_size('again')");
    let size: u64 = size.trim().parse().expect("bytes");
    line("size of that database, an event", &format!("{} bytes", size / events));
}

/// Registers a new Llm and a new agent of a new session: three events.
async fn register(client: &Client, name: &str, query: &str) {
    let body = json!({"providerSessionId": name, "providers": [samples::llm(name)],
        "agents": [samples::agent(name, name)]});
    let _ = client.post(&format!("/llms/_provider-register{query}"), &body).await.expect(201);
}

async fn writes(client: &Client, query: &str) -> Vec<Duration> {
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let (name, begun) = (new_name(), Instant::now());
        register(client, &name, query).await;
        took.push(begun.elapsed());
    }
    took
}

async fn shown(here: &Client, there: &Client) -> Vec<Duration> {
    let mut took = Vec::with_capacity(SHOWN);
    for _ in 0..SHOWN {
        let (name, begun) = (new_name(), Instant::now());
        let path = format!("/agents/{name}");
        let look = async {
            while there.get(&path).await.status != 200 {
                sleep(PAUSE).await;
            }
            begun.elapsed()
        };
        let ((), shown) = tokio::join!(register(here, &name, ""), look);
        took.push(shown);
    }
    took
}

async fn crowd(client: &Client, query: &'static str) -> f64 {
    let (begun, mut callers) = (Instant::now(), JoinSet::new());
    for _ in 0..CALLERS {
        let client = client.clone();
        callers.spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < RUN {
                register(&client, &new_name(), query).await;
                done += 1;
            }
            done
        });
    }
    let done: u32 = callers.join_all().await.into_iter().sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

fn new_name() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static LAST: AtomicUsize = AtomicUsize::new(0);
    format!("n-{}", LAST.fetch_add(1, Ordering::Relaxed))
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let of = |part: usize| took[took.len() * part / 100 - 1].as_secs_f64() * 1e3;
    format!("{:.1} / {:.1} ms", of(50), of(99))
}
