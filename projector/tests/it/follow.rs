//! The projector as a process runs it.

use crate::{dir::Dir, life::Life};
use mcpctl_events::{record::RecordKind, replica::Replica};
use mcpctl_projector::{
    Progress, Tables,
    follow::{find_events, follow, project, start},
    verify::verify,
};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

async fn until_at(tables: &Tables, sequence: u64, deadline: Duration) {
    let begun = Instant::now();
    while tables.checkpoint().await.unwrap().sequence != sequence {
        assert!(begun.elapsed() < deadline, "the tables did not reach {sequence} within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_until_it_is_stopped() {
    let (mut life, dir) = (Life::new(), Dir::new());
    let (tables, stop) = (Tables::open(dir.database()).await.unwrap(), CancellationToken::new());
    let following = tokio::spawn(follow(life.shared(), tables.clone(), stop.clone()));
    for n in 0..20 {
        life.register("s", &[&format!("llm{n}")], &[]).unwrap();
        until_at(&tables, life.sequence(), Duration::from_secs(5)).await;
    }
    stop.cancel();
    following.await.unwrap().unwrap();
    assert!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_projector_waits_and_takes_over() {
    let (mut life, dir) = (Life::new(), Dir::new());
    let tables = Tables::open(dir.database()).await.unwrap();
    let (other, stop) = (Tables::open(dir.database()).await.unwrap(), CancellationToken::new());
    let mut first = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    let second = tokio::spawn(follow(life.shared(), other, stop.clone()));
    // Both run for each record; whoever is second loses and stands by.
    for n in 0..10 {
        life.register("s", &[&format!("llm{n}")], &[]).unwrap();
        match project(&life.shared(), &tables, first).await {
            Ok(projection) => first = projection,
            Err(error) => {
                assert!(error.to_string().contains("another projector"), "{error}");
                first = start(&life.shared(), &tables, Replica::default()).await.unwrap();
            }
        }
    }
    // The first is gone; the second finds out by the checkpoint that stands still.
    life.register("s", &["orphan"], &[]).unwrap();
    until_at(&tables, life.sequence(), Duration::from_secs(15)).await;
    stop.cancel();
    second.await.unwrap().unwrap();
    assert!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().is_clean());
}

#[tokio::test]
async fn barriers_are_nothing_to_write() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s", &["a"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    let checkpoint = tables.checkpoint().await.unwrap();
    for _ in 0..1500 {
        life.append(RecordKind::Noop, Vec::new());
    }
    let (position, sequence) = (checkpoint.position, checkpoint.sequence);
    let (is_more, after) = find_events(&life.shared(), position, sequence).await.unwrap();
    assert!(!is_more && after.0 == position.0 + 1500);
    life.register("s", &["a", "b"], &[]).unwrap();
    assert!(find_events(&life.shared(), after, sequence).await.unwrap().0);
}

#[tokio::test]
async fn what_can_never_be_written_stops_the_projector_by_its_sequence() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s", &["a"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    let (before, next) = (tables.checkpoint().await.unwrap().sequence, life.sequence() + 1);
    let surplus = format!("INSERT INTO events VALUES ({next}, 1, 't', 's', '2027-01-15T08:00:00.000Z')");
    dir.run(1, &surplus);
    life.register("s", &["a", "b"], &[]).unwrap();
    let stopped = follow(life.shared(), tables.clone(), CancellationToken::new());
    let error = tokio::time::timeout(Duration::from_secs(10), stopped).await.expect("it stops").unwrap_err();
    assert!(error.to_string().contains(&format!("events {next} to {}", life.sequence())), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(tables.checkpoint().await.unwrap().sequence, before, "all of the batch or nothing");
}
