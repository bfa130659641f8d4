//! Durable appends, beside the least that the same database could do.

use crate::{
    Outcome,
    figures::{Folder, heading, least, line, percentiles},
    history::History,
};
use bytes::Bytes;
use mcpctl_events::log::{EventLog, sqlite::SqliteLog};
use rusqlite::Connection;
use std::{
    path::Path,
    time::{Duration, Instant},
};

const LONE: usize = 2_000;
const RECORDS: u32 = 20_480;

pub fn run() -> Outcome {
    let mut records = History::of_publishers(RECORDS / 2).records;
    records.truncate(RECORDS as usize);
    let bytes: usize = records.iter().map(Bytes::len).sum();
    heading(&format!("append to SQLite, synchronous=FULL, records of {} bytes", bytes / records.len()));
    let folder = Folder::new("append")?;
    lone(&folder, &records)?;
    for size in [64, 512] {
        batches(&folder, &records, size)?;
    }
    Ok(())
}

/// Both in turn, so that both meet the same weather.
fn lone(folder: &Folder, records: &[Bytes]) -> Outcome {
    let (log, bare) = (SqliteLog::open(folder.file("lone.db"))?, bare(&folder.file("bare.db"))?);
    let (mut ours, mut bares) = (Vec::with_capacity(LONE), Vec::with_capacity(LONE));
    for record in records.iter().take(LONE) {
        ours.push(timed(|| Ok(log.append(std::slice::from_ref(record))?))?);
        bares.push(timed(|| insert(&bare, record))?);
    }
    line("one record", &percentiles(ours));
    line("one bare BEGIN IMMEDIATE; INSERT; COMMIT", &percentiles(bares));
    Ok(())
}

fn batches(folder: &Folder, records: &[Bytes], size: usize) -> Outcome {
    let log = SqliteLog::open(folder.file(&format!("batches-{size}.db")))?;
    let took = least(3, || records.chunks(size).try_for_each(|batch| log.append(batch)))?;
    line(&format!("records in batches of {size}"), &took.each(RECORDS));
    Ok(())
}

fn timed(act: impl FnOnce() -> Outcome) -> Result<Duration, Box<dyn std::error::Error>> {
    let begin = Instant::now();
    act()?;
    Ok(begin.elapsed())
}

fn bare(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("CREATE TABLE records (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT")?;
    Ok(connection)
}

fn insert(connection: &Connection, record: &Bytes) -> Outcome {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    connection.prepare_cached("INSERT INTO records (bytes) VALUES (?1)")?.execute([record.as_ref()])?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
