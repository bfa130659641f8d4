//! The file: what it is refused for, and what it refuses.

use crate::folder::Folder;
use mcpctl_events::log::{
    AppendError, EventLog,
    conformance::{batch, contents},
    sqlite::{OpenError, SqliteLog},
};
use rusqlite::Connection;
use std::fs;

fn log_of_three() -> Folder {
    let folder = Folder::new();
    SqliteLog::open(folder.log()).unwrap().append(&batch(0, 3)).unwrap();
    folder
}

#[test]
fn nothing_on_it_is_changed_removed_or_replaced() {
    let folder = log_of_three();
    let database = Connection::open(folder.log()).unwrap();
    for statement in [
        "UPDATE records SET bytes = x'00'",
        "UPDATE records SET position = 9 WHERE position = 1",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records VALUES (2, x'00')",
    ] {
        let message = database.execute(statement, []).unwrap_err().to_string();
        assert!(message.contains("records of the log are never"), "{statement}: {message}");
    }
    drop(database);
    assert_eq!(contents(&SqliteLog::open(folder.log()).unwrap()), batch(0, 3));
}

#[test]
fn a_closed_log_is_one_file() {
    let folder = log_of_three();
    assert!(!folder.write_ahead_log().exists());
}

#[test]
fn a_second_path_to_the_same_file_is_the_same_log() {
    let folder = log_of_three();
    let _log = SqliteLog::open(folder.log()).unwrap();
    let link = Folder::new();
    std::os::unix::fs::symlink(folder.log(), link.log()).unwrap();
    assert!(matches!(SqliteLog::open(link.log()), Err(OpenError::Locked { .. })));
}

#[test]
fn a_holder_that_has_not_signed_yet_is_another_process() {
    let folder = Folder::new();
    let lock = fs::File::create(folder.lock()).unwrap();
    lock.lock().unwrap();
    let message = SqliteLog::open(folder.log()).unwrap_err().to_string();
    assert!(message.ends_with("log.db is already being written by another process"), "{message}");
}

#[test]
fn foreign_files_are_refused_and_left_alone() {
    let folder = Folder::new();
    fs::write(folder.log(), "this is no database, and long enough to be seen as none".repeat(20)).unwrap();
    assert!(matches!(SqliteLog::open(folder.log()), Err(OpenError::Foreign(_))));
    assert!(matches!(SqliteLog::open_read_only(folder.log()), Err(OpenError::Foreign(_))));

    let folder = Folder::new();
    Connection::open(folder.log()).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = fs::read(folder.log()).unwrap();
    assert!(matches!(SqliteLog::open(folder.log()), Err(OpenError::Foreign(_))));
    assert!(matches!(SqliteLog::open_read_only(folder.log()), Err(OpenError::Foreign(_))));
    assert_eq!(fs::read(folder.log()).unwrap(), before);
}

#[test]
fn a_newer_format_is_refused() {
    let folder = log_of_three();
    Connection::open(folder.log()).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let message = SqliteLog::open(folder.log()).unwrap_err().to_string();
    assert!(message.contains("has format 7"), "{message}");
    assert!(matches!(SqliteLog::open_read_only(folder.log()), Err(OpenError::Newer { found: 7, .. })));
}

#[test]
fn only_the_appender_makes_a_log() {
    let folder = Folder::new();
    assert!(matches!(SqliteLog::open_read_only(folder.log()), Err(OpenError::Missing(_))));
    let message = SqliteLog::open(folder.log().join("no/such/folder")).unwrap_err().to_string();
    assert!(message.starts_with("cannot lock "), "{message}");
}

#[test]
fn a_process_killed_while_it_made_the_log_leaves_an_empty_one() {
    let folder = Folder::new();
    fs::write(folder.log(), "").unwrap();
    let log = SqliteLog::open(folder.log()).unwrap();
    log.append(&batch(0, 1)).unwrap();
    assert_eq!(contents(&log), batch(0, 1));
}

#[test]
fn a_reader_needs_no_lock_and_cannot_append() {
    let folder = log_of_three();
    let reader = SqliteLog::open_read_only(folder.log()).unwrap();
    assert_eq!(contents(&reader), batch(0, 3));
    assert!(matches!(reader.append(&batch(1, 1)), Err(AppendError::NotWritten(_))));

    let log = SqliteLog::open(folder.log()).unwrap();
    log.append(&batch(1, 1)).unwrap();
    assert_eq!(contents(&reader).len(), 4);
    drop(log);
    assert_eq!(contents(&reader).len(), 4, "its appender is gone");
}

#[test]
fn another_writer_in_the_way_means_that_nothing_was_written() {
    let folder = log_of_three();
    let log = SqliteLog::open(folder.log()).unwrap();
    let intruder = Connection::open(folder.log()).unwrap();
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(log.append(&batch(1, 2)), Err(AppendError::NotWritten(_))));
    intruder.execute_batch("ROLLBACK").unwrap();
    log.append(&batch(2, 2)).unwrap();
    assert_eq!(contents(&log), [batch(0, 3), batch(2, 2)].concat());
}
