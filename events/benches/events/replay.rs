//! Start-up without a snapshot: read, check the chain, decode, fold.

use crate::{
    Outcome,
    figures::{Folder, heading, least, line},
    history::History,
};
use mcpctl_events::{
    hash::Hash,
    log::{Entry, EventLog, Position, memory::MemoryLog, sqlite::SqliteLog},
    record::{Header, Record},
    replay::fold_to,
    replica::{Decoded, Replica, fold},
    state::State,
};
use std::{convert::Infallible, hint::black_box};

const PUBLISHERS: u32 = 5_000;
const ROUNDS: u32 = 8;
const RUNS: u32 = 7;

pub fn run() -> Outcome {
    let mut history = History::of_publishers(PUBLISHERS);
    (1..=ROUNDS).for_each(|round| history.round(PUBLISHERS, round));
    let (events, records, megabytes) = (history.events(), history.records.len(), history.bytes() / 1_000_000);
    heading(&format!("replay {events} events in {records} records, {megabytes} MB"));
    let memory = MemoryLog::from_records(history.records.clone());
    from(&memory, "memory", &history)?;
    let folder = Folder::new("replay")?;
    let sqlite = SqliteLog::open(folder.file("log.db"))?;
    for batch in history.records.chunks(1_000) {
        sqlite.append(batch)?;
    }
    from(&sqlite, "SQLite", &history)?;
    apart(&history, &sqlite)
}

fn from(log: &dyn EventLog, what: &str, history: &History) -> Outcome {
    for workers in [1, 2] {
        let took = least(RUNS, || {
            let mut replica = Replica::default();
            let replayed = fold_to(log, &mut replica, workers, u64::MAX);
            assert!(replica.state == history.replica.state, "a replay is a function of the log");
            replayed
        })?;
        let unit = if workers == 1 { "worker" } else { "workers" };
        line(&format!("from {what}, {workers} {unit} and the fold"), &took.each(history.events()));
    }
    Ok(())
}

/// The same steps one after another on one thread: where the time goes.
fn apart(history: &History, sqlite: &SqliteLog) -> Outcome {
    let (events, records) = (history.events(), &history.records);
    let step = |what: &str, mut act: Box<dyn FnMut() + '_>| -> Outcome {
        let took = least(3, || {
            act();
            Ok::<_, Infallible>(())
        })?;
        line(&format!("one thread: {what}"), &took.each(events));
        Ok(())
    };
    step("read from SQLite", Box::new(|| read_all(sqlite)))?;
    step("hash", Box::new(|| records.iter().for_each(|bytes| _ = black_box(Hash::of(bytes)))))?;
    step("read headers", Box::new(|| records.iter().for_each(|bytes| _ = black_box(Header::decode(bytes)))))?;
    step("decode", Box::new(|| records.iter().for_each(|bytes| _ = black_box(Record::decode(bytes)))))?;
    let decoded: Vec<Decoded> = (1..).map(Position).zip(records).map(decode).collect();
    let folded = || decoded.iter().filter_map(|entry| entry.record.as_ref().ok());
    let fold_all = || {
        let mut state = State::default();
        folded().for_each(|record| fold(&mut state, record));
        black_box(state);
    };
    step("fold", Box::new(fold_all))
}

fn decode((position, bytes): (Position, &bytes::Bytes)) -> Decoded {
    Decoded::new(&Entry { position, bytes: bytes.clone() })
}

fn read_all(log: &SqliteLog) {
    let mut after = Position::default();
    while let Ok(page) = log.read(after, 2048) {
        after = page.entries.last().map_or(after, |entry| entry.position);
        if page.at_tip {
            return;
        }
    }
}
