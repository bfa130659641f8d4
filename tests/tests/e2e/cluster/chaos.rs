//! Servers, the projector, the network to Kafka and the database fail at random, under load.

use super::assert_one_history;
use mcpctl_tests::{
    client::{Client, sequence_of},
    cluster::Cluster,
    eventually, program,
    program::Program,
    random::Random,
    samples,
    wire::Wire,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long things go wrong where `CHAOS_SECONDS` does not say so.
const SHORT: Duration = Duration::from_secs(30);
const SERVERS: usize = 3;
/// What every change has in it.
const MARK: &str = "-no-";
const WRITERS: usize = 4;
/// What one write changes: one record on the log, which is admitted whole or not at all.
const ROWS: u64 = 16;
/// Most writes of one writer, whatever time it has: the broker in memory lists all records of a partition for each
/// fetch that finds one, so that its work grows with the square of their number. It bears some 3,000 on two cores.
const WRITES: u32 = 600;
/// Shortest time between two writes of one writer, and between two attempts.
const PACE: Duration = Duration::from_millis(20);
/// Longest that a writer waits for an answer before it asks another server.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest until everything works again.
const HEALED: Duration = Duration::from_mins(1);

/// What goes wrong. Each round has every kind once, in an order of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillServer,
    PauseServer,
    KillProjector,
    PauseProjector,
    CutKafka,
    RestartPostgres,
}

const FAULTS: [Fault; 6] = [
    Fault::KillServer,
    Fault::PauseServer,
    Fault::KillProjector,
    Fault::PauseProjector,
    Fault::CutKafka,
    Fault::RestartPostgres,
];

struct Chaos {
    cluster: Cluster,
    wire: Wire,
    projector: Program,
    random: Random,
    /// How often each kind of fault occurred.
    faults: BTreeMap<Fault, usize>,
    /// How often a program ended by itself and was started again, as a supervisor would.
    restarts: usize,
}

impl Chaos {
    async fn start() -> Self {
        let (kafka, wire) = mcpctl_tests::kafka::Kafka::start_behind_a_wire().await;
        let mut cluster = Cluster::on(kafka);
        let projector = projector(&cluster);
        for _ in 0..SERVERS {
            cluster.add(&["--projector", "external"]).await;
        }
        Self { cluster, wire, projector, random: Random::from_env(), faults: BTreeMap::new(), restarts: 0 }
    }

    async fn some_time(&mut self, most: Duration) {
        let most = u64::try_from(most.as_millis()).expect("a short time");
        tokio::time::sleep(Duration::from_millis(self.random.below(most))).await;
    }

    fn some_server(&mut self) -> usize {
        usize::try_from(self.random.below(SERVERS as u64)).expect("a small number")
    }

    async fn strike(&mut self, fault: Fault) {
        let server = self.some_server();
        match fault {
            Fault::KillServer => {
                self.cluster.nodes[server].process.kill();
                self.some_time(Duration::from_secs(4)).await;
                self.cluster.nodes[server].spawn_again();
            }
            // Long enough that another one is elected, at times.
            Fault::PauseServer => {
                self.cluster.nodes[server].process.signal(Signal::SIGSTOP);
                self.some_time(Duration::from_secs(8)).await;
                self.cluster.nodes[server].process.signal(Signal::SIGCONT);
            }
            Fault::KillProjector => {
                self.projector.kill();
                self.some_time(Duration::from_secs(2)).await;
                self.projector = projector(&self.cluster);
            }
            Fault::PauseProjector => {
                self.projector.signal(Signal::SIGSTOP);
                self.some_time(Duration::from_secs(3)).await;
                self.projector.signal(Signal::SIGCONT);
            }
            Fault::CutKafka => {
                for _ in 0..5 {
                    self.wire.cut();
                    self.some_time(Duration::from_millis(300)).await;
                }
            }
            Fault::RestartPostgres => {
                tokio::task::block_in_place(|| self.cluster.postgres.kill());
                self.some_time(Duration::from_secs(3)).await;
                tokio::task::block_in_place(|| self.cluster.postgres.start_again());
            }
        }
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Starts what ended by itself.
    fn supervise(&mut self) {
        for node in &mut self.cluster.nodes {
            if node.process.ended().is_some() {
                node.spawn_again();
                self.restarts += 1;
            }
        }
        if self.projector.ended().is_some() {
            self.projector = projector(&self.cluster);
            self.restarts += 1;
        }
    }

    async fn rage(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let mut round = FAULTS.to_vec();
            while !round.is_empty() {
                let next = usize::try_from(self.random.below(round.len() as u64)).expect("a small number");
                let fault = round.swap_remove(next);
                self.strike(fault).await;
                self.some_time(Duration::from_secs(2)).await;
                self.supervise();
            }
        }
    }

    /// Waits until all servers are ready.
    async fn heal(&mut self) {
        eventually("all servers are ready", HEALED, async || {
            self.supervise();
            for node in &self.cluster.nodes {
                let request = node.client().at_root(reqwest::Method::GET, "/readyz").timeout(PATIENCE);
                if !Client::try_send(request).await.is_ok_and(|answer| answer.status == 200) {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }
}

fn projector(cluster: &Cluster) -> Program {
    let args = ["--log".to_owned(), cluster.log(), "--db".to_owned(), cluster.db()];
    Program::start("mcpd-projector", &cluster.home, &args, &[])
}

/// What registers all rows of a writer, each with this mark.
fn rows(name: &str, mark: &str) -> Value {
    let row = |row| {
        let mut llm = samples::llm(&format!("{name}-row-{row}"));
        llm["description"] = json!(mark);
        llm
    };
    json!({"providerSessionId": name, "providers": (0..ROWS).map(row).collect::<Vec<_>>(), "agents": []})
}

/// Changes its rows again and again, each time until one of the servers says that it is done; the sequence that each
/// change was said to have.
async fn write(name: String, servers: Vec<Client>, pace: Duration, stop: Arc<AtomicBool>) -> Vec<(String, u64)> {
    let mut done = Vec::new();
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        let mark = format!("{name}{MARK}{}", done.len());
        let body = rows(&name, &mark);
        let begun = Instant::now();
        loop {
            at += 1;
            let request = servers[at % servers.len()].request(reqwest::Method::POST, "/llms/_provider-register");
            let answer = Client::try_send(request.header("idempotency-key", &mark).timeout(PATIENCE).json(&body)).await;
            let said = match answer {
                Ok(answer) if answer.status == 201 => {
                    done.push((mark, answer.sequence()));
                    break;
                }
                Ok(answer) => {
                    assert!(matches!(answer.status, 409 | 502..=504), "{} {}", answer.status, answer.text);
                    answer.text
                }
                Err(error) => format!("{error:?}"),
            };
            assert!(begun.elapsed() < HEALED, "nobody took {mark} within {HEALED:?}; last: {said}");
            tokio::time::sleep(PACE).await;
        }
        tokio::time::sleep(pace).await;
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_what_was_acknowledged_is_in_one_history_once() {
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = seconds.map_or(SHORT, Duration::from_secs);
    let pace = PACE.max(time / WRITES);
    let mut chaos = Chaos::start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let servers: Vec<_> = chaos.cluster.nodes.iter().map(mcpctl_tests::Mcpd::client).collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(format!("writer-{writer}"), servers.clone(), pace, stop.clone())))
        .collect();
    chaos.rage(time).await;
    chaos.heal().await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.expect("a writer"));
    }
    let (writes, faults, restarts) = (acknowledged.len(), &chaos.faults, chaos.restarts);
    println!("{writes} writes of {ROWS} rows, {faults:?}, {restarts} restarts");
    assert_eq!(chaos.faults.len(), FAULTS.len(), "each kind occurs");
    chaos.heal().await;

    let events = chaos.cluster.nodes[0].client().events(0).await;
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in &events {
        for mark in event.to_string().split('"').filter(|text| text.contains(MARK)) {
            found.entry(mark.to_owned()).or_default().push(sequence_of(event));
        }
    }
    for (mark, sequences) in &found {
        let first = sequences[0];
        assert_eq!(*sequences, (first..first + ROWS).collect::<Vec<_>>(), "{mark} is there whole and once");
    }
    for (mark, sequence) in acknowledged {
        let last = found.get(&mark).and_then(|sequences| sequences.last());
        assert_eq!(last, Some(&sequence), "{mark} is where it was said to be");
    }
    for node in 0..SERVERS {
        assert_one_history(&chaos.cluster, node).await;
    }
    let (log, db) = (chaos.cluster.log(), chaos.cluster.db());
    let verified = program::run("mcpd-projector", &chaos.cluster.home, &["verify", "--log", &log, "--db", &db]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&[verified.stdout, verified.stderr].concat()));
}
