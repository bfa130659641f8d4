//! A history of a million events, looked through: any point of it, all of it, and the tables made anew from it.

use crate::{history, line};
use mcpctl_tests::{Mcpd, random::Random};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const EVENTS: u64 = 1_000_000;
const POINTS: usize = 50;
/// More snapshots than that has no history of a million events.
const SNAPSHOTS: usize = 40;

pub async fn run() {
    println!("\nA history of a million events");
    let mcpd = Mcpd::start(&[]).await;
    let events = history::make(&mcpd, EVENTS).await;
    let snapshots = mcpd.home.data().join("snapshots");
    while fs::read_dir(&snapshots).map_or(0, Iterator::count) < SNAPSHOTS {
        sleep(Duration::from_millis(100)).await;
    }
    let (client, mut random) = (mcpd.client(), Random::from_env());
    let mut took = Vec::new();
    for _ in 0..POINTS {
        let as_of = random.below(events) + 1;
        let begun = Instant::now();
        let _ = client.get(&format!("/agents?asOf={as_of}")).await.expect(200);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let median = took[POINTS / 2].as_millis();
    line(
        &format!("980 agents as of {POINTS} random points, median and longest"),
        &format!("{median} / {} ms", took[POINTS - 1].as_millis()),
    );
    for command in ["verify", "rebuild", "export"] {
        let begun = Instant::now();
        let done = mcpd.mcpctl(&["audit", command]).await;
        assert!(done.status.success(), "{done:?}");
        line(&format!("`mcpctl audit {command}`"), &history::rate(events, begun.elapsed()));
    }
}
