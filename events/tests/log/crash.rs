//! Processes that die and writes that tear, at any moment.

use crate::folder::Folder;
use bytes::Bytes;
use mcpctl_events::log::{
    EventLog,
    conformance::{batch, contents},
    sqlite::SqliteLog,
};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Batches of one to five records, some of which fill several pages of the file.
fn batches() -> impl Iterator<Item = Vec<Bytes>> {
    (0..).map(|number: usize| {
        let mut records = batch(number, number % 5 + 1);
        if number % 7 == 3 {
            records.push(Bytes::from(vec![b'x'; 9000]));
        }
        records
    })
}

/// How many whole batches these are the records of.
fn whole_batches(records: &[Bytes]) -> usize {
    let (mut rest, mut count) = (records, 0);
    for batch in batches() {
        if rest.is_empty() {
            break;
        }
        assert!(rest.starts_with(&batch), "half of batch {count}, or another one in its place");
        (rest, count) = (&rest[batch.len()..], count + 1);
    }
    count
}

/// Opens what a crash left, appends to it, and returns how many batches were there.
fn recover(folder: &Folder) -> usize {
    let log = SqliteLog::open(folder.log()).unwrap();
    let found = whole_batches(&contents(&log));
    log.append(&batches().nth(found).unwrap()).unwrap();
    drop(log);
    let read_back = contents(&SqliteLog::open_read_only(folder.log()).unwrap());
    assert_eq!(whole_batches(&read_back), found + 1, "it goes on where it was");
    found
}

/// A log whose `count` batches all stand in the write-ahead log still.
fn unchecked(folder: &Folder, count: usize) -> SqliteLog {
    let log = SqliteLog::open(folder.log()).unwrap();
    batches().take(count).for_each(|batch| log.append(&batch).unwrap());
    log
}

#[test]
fn a_write_ahead_log_cut_anywhere_leaves_whole_batches() {
    let folder = Folder::new();
    let _log = unchecked(&folder, 30);
    let whole = fs::read(folder.write_ahead_log()).unwrap();
    let mut most = 0;
    for at in (0..whole.len()).step_by(1777).chain([whole.len()]) {
        let image = folder.image();
        fs::write(image.write_ahead_log(), &whole[..at]).unwrap();
        if at < 10_000 && !is_made(&image) {
            continue;
        }
        let found = recover(&image);
        assert!(found >= most, "{found} batches in the first {at} bytes, {most} in less");
        most = found;
    }
    assert_eq!(most, 30, "what was acknowledged is there if the file is");
}

/// Whether the log's table is on the disk: a cut before it leaves an empty file.
fn is_made(image: &Folder) -> bool {
    SqliteLog::open(image.log()).map(|log| contents(&log)).is_ok_and(|records| !records.is_empty())
}

#[test]
fn a_write_ahead_log_with_a_bad_byte_leaves_whole_batches() {
    let folder = Folder::new();
    let _log = unchecked(&folder, 20);
    let whole = fs::read(folder.write_ahead_log()).unwrap();
    for at in (20_000..whole.len()).step_by(4999) {
        let image = folder.image();
        let mut bad = whole.clone();
        bad[at] ^= 0x40;
        fs::write(image.write_ahead_log(), bad).unwrap();
        assert!(recover(&image) < 20);
    }
}

#[test]
fn a_torn_checkpoint_loses_nothing() {
    let folder = Folder::new();
    let log = unchecked(&folder, 40);
    let torn = folder.image();
    drop(log);
    let (before, after) = (fs::read(torn.log()).unwrap(), fs::read(folder.log()).unwrap());
    let page = 4096;
    for keep in 0..3 {
        let image = torn.image();
        let mixed: Vec<u8> = (0..after.len() / page)
            .flat_map(|number| {
                let place = number * page..(number + 1) * page;
                before.get(place.clone()).filter(|_| number % 3 == keep).unwrap_or(&after[place])
            })
            .copied()
            .collect();
        fs::write(image.log(), mixed).unwrap();
        assert_eq!(recover(&image), 40);
    }
}

/// Where the test below, run as a process of its own, finds the log that it appends to until it is killed.
const CHILD_LOG: &str = "MCPCTL_TEST_LOG";

#[test]
fn a_killed_process_leaves_what_it_acknowledged() {
    if let Some(path) = env::var_os(CHILD_LOG) {
        append_for_ever(Path::new(&path));
    }
    let folder = Folder::new();
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut child = start_child(&folder);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let more = lines.by_ref().filter(|line| line == "acknowledged").take(5 + 13 * round).count();
        let held = SqliteLog::open(folder.log()).unwrap_err().to_string();
        assert!(held.contains(&format!("process {}", child.id())), "{held}");
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged += more + lines.filter(|line| line == "acknowledged").count();

        let found = whole_batches(&contents(&SqliteLog::open(folder.log()).unwrap()));
        assert!((acknowledged..=acknowledged + 1).contains(&found), "{found} found, {acknowledged} acknowledged");
        acknowledged = found;
    }
}

fn start_child(folder: &Folder) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::a_killed_process_leaves_what_it_acknowledged", "--nocapture"])
        .env(CHILD_LOG, folder.log())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn append_for_ever(path: &Path) -> ! {
    let log = SqliteLog::open(path).unwrap();
    let done = whole_batches(&contents(&log));
    for batch in batches().skip(done) {
        log.append(&batch).unwrap();
        println!("\nacknowledged");
    }
    unreachable!("batches have no end")
}
