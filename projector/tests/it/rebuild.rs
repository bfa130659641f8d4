//! New tables in the place of old ones.

use crate::{
    dir::Dir,
    life::{Life, many, name, projected, public_llm},
};
use mcpctl_events::{
    event::{Event, Subject},
    log::memory::MemoryLog,
    replica::Replica,
    time::LogTime,
};
use mcpctl_projector::{
    Progress, Tables,
    follow::{SharedLog, project, start},
    rebuild::rebuild,
    store::{LlmFilter, StoreError},
    verify::verify,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_the_projector_go_on_while_tables_are_rebuilt() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 400);
    let tables = projected(&life, &dir).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(read_until(tables.clone(), done.clone()));
    // The projector is one register ahead of what it has written when the rebuild begins, and writes during it.
    let mut projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    let rebuilding = tokio::spawn({
        let (log, dir) = (life.shared(), dir.database());
        async move { rebuild(&log, &dir, &Progress::default()).await.unwrap() }
    });
    for n in 0..50 {
        life.register(&format!("late{n}"), &[&format!("late{n}")], &[]).unwrap();
        projection = project(&life.shared(), &tables, projection).await.unwrap();
    }
    let rebuilt = rebuilding.await.unwrap();
    assert_eq!(rebuilt.generation, 2);
    life.register("last", &["last"], &[]).unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    done.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
    let checkpoint = tables.checkpoint().await.unwrap();
    assert_eq!((checkpoint.generation, checkpoint.sequence), (2, life.sequence()));
    assert_eq!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().differences, []);
    assert_eq!(dir.generations(), [2]);
}

/// Lists again and again: the sequence never goes back, and no list is half-built.
async fn read_until(tables: Tables, done: Arc<AtomicBool>) -> u64 {
    let (mut last, mut reads) = (0, 0);
    while !done.load(Ordering::SeqCst) {
        let page = tables.llms(&LlmFilter::default()).await.unwrap();
        assert!(page.sequence >= last, "{} after {last}", page.sequence);
        assert!(page.items.len() >= 400, "{} rows at {}", page.items.len(), page.sequence);
        (last, reads) = (page.sequence, reads + 1);
    }
    reads
}

#[tokio::test]
async fn a_rebuild_that_overtakes_a_slow_projector_loses_nothing() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 3);
    let tables = projected(&life, &dir).await;
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    // On the log, and not in the old tables yet.
    many(&mut life, 4);
    life.register("x", &["x"], &[]).unwrap();
    let rebuilt = rebuild(&life.shared(), dir.database(), &Progress::default()).await.unwrap();
    assert_eq!(rebuilt.sequence, life.sequence());
    life.register("y", &["y"], &[]).unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    assert_eq!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().differences, []);
    assert_eq!(tables.checkpoint().await.unwrap().sequence, life.sequence());
}

#[tokio::test]
async fn what_only_heartbeats_said_is_kept() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 1);
    let tables = projected(&life, &dir).await;
    let heard = life.now.plus(std::time::Duration::from_mins(1));
    tables.note_heartbeats(&[(crate::life::session("s0"), heard)]).await.unwrap();
    rebuild(&life.shared(), dir.database(), &Progress::default()).await.unwrap();
    assert_eq!(tables.refresh().await.unwrap(), 2);
    let llm = tables.llm("llm0000").await.unwrap().value.unwrap();
    assert_eq!(llm.last_heartbeat_at(), Some(heard));
    assert_ne!(llm.row.last_heartbeat_at, Some(heard), "the row's own value is the lifecycle's");
    assert_eq!(LogTime::from_millis(0).to_string().len(), heard.to_string().len());
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_everything_as_it_was() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 3);
    let tables = projected(&life, &dir).await;
    let mut records = life.log.records();
    let broken = String::from_utf8(records.remove(2).to_vec()).unwrap().replace("\"openai\"", "\"Openai\"");
    records.insert(2, broken.into());
    let log: mcpctl_projector::follow::SharedLog =
        Arc::new(mcpctl_events::log::memory::MemoryLog::from_records(records));
    let error = rebuild(&log, dir.database(), &Progress::default()).await.unwrap_err();
    assert!(error.to_string().contains("hash chain broken at sequence"), "{error}");
    assert_eq!(dir.generations(), [1]);
    assert_eq!(tables.checkpoint().await.unwrap().generation, 1);
}

#[tokio::test]
async fn older_tables_are_filled_anew_and_newer_ones_are_refused() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 3);
    drop(projected(&life, &dir).await);
    dir.run(1, "UPDATE projection_checkpoint SET projection_version = 0");
    assert!(matches!(Tables::open_existing(dir.database()).await, Err(StoreError::OlderVersion { .. })));
    let tables = projected(&life, &dir).await;
    assert_eq!(tables.checkpoint().await.unwrap().generation, 2);
    assert_eq!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().differences, []);
    drop(tables);
    dir.run(2, "UPDATE projection_checkpoint SET projection_version = 99");
    let error = Tables::open(dir.database()).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerVersion { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("newer version"));
}

#[tokio::test]
async fn a_folder_without_tables_is_said_to_be_one() {
    let dir = Dir::new();
    let error = Tables::open_existing(dir.database()).await.unwrap_err();
    assert!(matches!(error, StoreError::NoTables { .. }), "{error}");
    assert_eq!(Tables::open(dir.database()).await.unwrap().checkpoint().await.unwrap().sequence, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_start_together_agree_on_one_generation() {
    for _ in 0..10 {
        let dir = Dir::new();
        let opening: Vec<_> = (0..4)
            .map(|_| {
                let path = dir.database();
                tokio::spawn(async move { Tables::open(&path).await.unwrap() })
            })
            .collect();
        for tables in opening {
            assert_eq!(tables.await.unwrap().checkpoint().await.unwrap().generation, 1);
        }
    }
}

#[tokio::test]
async fn an_empty_log_makes_nothing_of_tables_that_know_more() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 3);
    let tables = projected(&life, &dir).await;
    let empty: SharedLog = Arc::new(MemoryLog::default());
    assert!(rebuild(&empty, dir.database(), &Progress::default()).await.is_err());
    assert!(tables.llm("llm0000").await.unwrap().value.is_some());
    assert_eq!(tables.generation(), 1);
}

#[tokio::test]
async fn a_rebuild_that_the_database_refuses_leaves_the_live_tables_alone() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.create_llm("one", public_llm("gpt")).unwrap();
    let tables = projected(&life, &dir).await;
    let records = life.entries(0);
    let mut events = records.iter().filter_map(|entry| entry.record.as_ref().ok()).flat_map(|record| &record.events);
    let created = events.rfind(|event| event.subject == Subject::Llm(name("one"))).unwrap().clone();
    // Two rows of one id: no writer does that, and no database takes it.
    life.write(Event { subject: Subject::Llm(name("two")), ..created });
    let error = rebuild(&life.shared(), dir.database(), &Progress::default()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written to the read tables"), "{error}");
    assert_eq!(dir.generations(), [1], "what was half-built is gone, and nothing else");
    assert_eq!(tables.llms(&LlmFilter::default()).await.unwrap().items.len(), 1);
}
