//! From the start of the process to the first `/readyz` that says 200.

use crate::{history, line};
use mcpctl_tests::{Client, Mcpd};
use reqwest::Method;
use std::{
    fs,
    time::{Duration, Instant},
};

const EVENTS: u64 = 1_000_000;
const RUNS: usize = 7;

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
    let sequence = history::make(&mcpd, EVENTS).await;
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
        let _ = fs::remove_dir_all(mcpd.home.data().join("snapshots"));
        took.push(start(&mut mcpd).await);
    }
    line("the same without snapshots: reads, checks and folds all of it", &median(took));
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

fn median(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    format!("{} ms", took[took.len() / 2].as_millis())
}
