//! The program itself.

use crate::{dir::Dir, life::Life};
use mcpctl_events::log::{EventLog, sqlite::SqliteLog};
use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn projector(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpd-projector"));
    command.args(args).env("MCPD_LOG", format!("sqlite:{}", dir.join("log.db").display()));
    command.env("MCPD_DB", format!("sqlite:{}", dir.display())).env_remove("RUST_LOG");
    command
}

fn run(dir: &Dir, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = projector(dir.path(), args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A log on disk with a few registers.
fn on_disk(dir: &Dir) -> (Life, SqliteLog) {
    let mut life = Life::new();
    for n in 0..5 {
        life.register(&format!("s{n}"), &[&format!("llm{n}")], &[]).unwrap();
    }
    let log = SqliteLog::open(dir.path().join("log.db")).unwrap();
    log.append(&life.log.records()).unwrap();
    (life, log)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn rebuilds_and_verifies_beside_a_running_server() {
    let dir = Dir::new();
    let (life, _held) = on_disk(&dir);
    let (code, stdout, _) = run(&dir, &["rebuild"]);
    assert_eq!((code, stdout), (0, format!("rebuilt generation 1 at sequence {}\n", life.sequence())));
    let (code, stdout, stderr) = run(&dir, &["verify"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("ok: "), "{stdout}");
    dir.run(1, "UPDATE llm_rows SET status = 'inactive' WHERE name = 'llm3'");
    let (code, stdout, _) = run(&dir, &["verify"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("llm_rows `llm3`: status is `inactive`, the log says `active`"), "{stdout}");
    assert!(stdout.ends_with("run `mcpd-projector rebuild`\n"), "{stdout}");
    assert_eq!(run(&dir, &["rebuild"]).0, 0);
    assert_eq!(run(&dir, &["verify"]).0, 0);
}

#[test]
fn follows_until_sigterm() {
    let dir = Dir::new();
    let (mut life, log) = on_disk(&dir);
    let mut child = Running(projector(dir.path(), &[]).stderr(Stdio::null()).spawn().unwrap());
    let before = life.log.records().len();
    life.register("late", &["late"], &[]).unwrap();
    log.append(&life.log.records()[before..]).unwrap();
    let begun = Instant::now();
    while !is_at(&dir, life.sequence()) {
        assert!(begun.elapsed() < Duration::from_secs(10), "the tables did not follow");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    assert_eq!(run(&dir, &["verify"]).0, 0);
}

fn is_at(dir: &Dir, sequence: u64) -> bool {
    let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    dir.path().join("tables.generation").exists()
        && dir
            .sql("tables-1.db")
            .query_row("SELECT sequence FROM projection_checkpoint", [], read)
            .is_ok_and(|at| u64::try_from(at) == Ok(sequence))
}

#[test]
fn bad_flags_are_named_and_make_nothing() {
    let dir = Dir::new();
    let (code, _, stderr) = run(&dir, &["verify"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--log: there is no log at"), "{stderr}");
    let (code, _, stderr) = run(&dir, &["--db", "mysql://x"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--db") && stderr.contains("sqlite:<path of a folder> or postgres://"), "{stderr}");
    assert_eq!(dir.files(), [""; 0]);
    let (_life, _log) = on_disk(&dir);
    let (code, _, stderr) = run(&dir, &["verify"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("there are no read tables in"), "{stderr}");
}

#[test]
fn tables_of_another_log_are_refused() {
    let dir = Dir::new();
    let (_life, log) = on_disk(&dir);
    assert_eq!(run(&dir, &["rebuild"]).0, 0);
    drop(log);
    for file in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let mut other = Life::of(2);
    other.register("s", &["a"], &[]).unwrap();
    SqliteLog::open(dir.path().join("log.db")).unwrap().append(&other.log.records()).unwrap();
    for args in [&[][..], &["verify"]] {
        let (code, _, stderr) = run(&dir, args);
        assert_eq!(code, 1);
        assert!(stderr.contains("checkpoint") && stderr.contains("history"), "{stderr}");
    }
    assert_eq!(run(&dir, &["rebuild"]).0, 0, "the way out");
    assert_eq!(run(&dir, &["verify"]).0, 0);
}
