//! A server that goes away and comes back, and connections that are cut.

use crate::{
    dir::Dir,
    life::{Life, many, projected},
};
use mcpctl_events::replica::Replica;
use mcpctl_projector::{
    Progress, Tables,
    follow::{follow, project, start},
    store::{Database, LlmFilter, StoreError},
    verify::verify,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);
/// Connections that are cut: after each, a projector pauses a second.
const CUTS: u64 = 8;
const LOOK: Duration = Duration::from_millis(20);
/// Ends all connections but the one that asks.
const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'mcpd'";

/// Waits until the tables are at the end of the log.
async fn caught_up(tables: &Tables, sequence: u64) {
    let end = Instant::now() + SOON;
    loop {
        let checkpoint = tables.checkpoint().await;
        if checkpoint.as_ref().is_ok_and(|checkpoint| checkpoint.sequence == sequence) {
            return;
        }
        assert!(Instant::now() < end, "{checkpoint:?} of {sequence}");
        tokio::time::sleep(LOOK).await;
    }
}

async fn assert_clean(life: &Life, tables: &Tables) {
    let report = verify(&life.shared(), tables, Vec::new(), &Progress::default()).await.unwrap();
    assert_eq!(report.differences, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_goes_on_when_the_server_is_back() {
    let (mut life, mut dir) = (Life::new(), Dir::new());
    many(&mut life, 20);
    let tables = projected(&life, &dir).await;
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow(life.shared(), tables.clone(), stop.clone()));
    dir.server.kill();
    life.register("late", &["late"], &[]).unwrap();
    let error = tables.llms(&LlmFilter::default()).await.unwrap_err();
    assert!(error.is_retryable() && matches!(error, StoreError::Sql { .. }), "{error}");
    assert!(error.to_string().contains("postgres://postgres@127.0.0.1"), "{error}");
    dir.server.start_again();
    // Every connection is broken, and the first read does not fail for that.
    assert!(tables.llms(&LlmFilter::default()).await.unwrap().items.len() >= 20);
    caught_up(&tables, life.sequence()).await;
    assert_clean(&life, &tables).await;
    stop.cancel();
    following.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_within_batches_lose_nothing_and_double_nothing() {
    let (mut life, dir) = (Life::new(), Arc::new(Dir::new()));
    let tables = Tables::open(dir.database()).await.unwrap();
    let (stop, done, cut) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let following = tokio::spawn(follow(life.shared(), tables.clone(), stop.clone()));
    let cutting = std::thread::spawn({
        let (dir, done, cut) = (dir.clone(), done.clone(), cut.clone());
        move || {
            while !done.load(Ordering::SeqCst) {
                let ended: u64 = dir.server.run("postgres", CUT).trim().parse().unwrap();
                cut.fetch_add(ended, Ordering::SeqCst);
            }
        }
    });
    let (end, mut n) = (Instant::now() + 2 * SOON, 0);
    while cut.load(Ordering::SeqCst) < CUTS {
        assert!(Instant::now() < end, "only {cut:?} connections were cut");
        life.register(&format!("s{n}"), &[&format!("llm{n}")], &[(&format!("agent{n}"), &format!("llm{n}"))]).unwrap();
        n += 1;
        tokio::time::sleep(LOOK / 4).await;
    }
    done.store(true, Ordering::SeqCst);
    cutting.join().unwrap();
    caught_up(&tables, life.sequence()).await;
    assert_clean(&life, &tables).await;
    stop.cancel();
    following.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_tables_is_told_that_they_moved() {
    let (mut life, dir) = (Life::new(), Dir::new());
    let tables = projected(&life, &dir).await;
    let other = Tables::open(dir.database()).await.unwrap();
    let mut moves = other.moves();
    // It connects, and returns at once.
    moves.next(SOON).await;
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    life.register("s", &["a"], &[]).unwrap();
    let waiting = tokio::spawn(async move {
        let begun = Instant::now();
        moves.next(SOON).await;
        begun.elapsed()
    });
    project(&life.shared(), &tables, projection).await.unwrap();
    let waited = waiting.await.unwrap();
    assert!(waited < SOON / 4, "it was not told for {waited:?}");
    assert_eq!(other.checkpoint().await.unwrap().sequence, life.sequence());
}

#[tokio::test]
async fn a_password_is_read_from_its_file_at_each_connection() {
    let (dir, file) = (Dir::new(), tempfile::NamedTempFile::new().unwrap());
    let url = format!("{}?password_file={}", dir.database(), file.path().display());
    let database: Database = url.parse().unwrap();
    std::fs::write(file.path(), "a password\n").unwrap();
    assert_eq!(Tables::open(&database).await.unwrap().checkpoint().await.unwrap().sequence, 0);
    let gone = file.path().to_owned();
    drop(file);
    let error = Tables::open(&database).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains(&format!("password_file={}", gone.display())) && said.contains("No such file"), "{said}");
}
