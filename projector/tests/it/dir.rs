//! A database of a test's own: SQLite files in a folder.

use mcpctl_projector::store::Database;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A folder that goes when the test does.
pub struct Dir(PathBuf);

impl Dir {
    /// So many lives are tried.
    pub const CASES: u32 = 48;

    pub fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("mcpctl-projector-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> Database {
        self.path().into()
    }

    /// Runs SQL by hand on a generation of the tables.
    pub fn run(&self, generation: u64, sql: &str) {
        self.sql(&format!("tables-{generation}.db")).execute(sql, []).unwrap();
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The generations of the tables that are there.
    pub fn generations(&self) -> Vec<u64> {
        let names = self.files();
        let number = |name: &String| name.strip_prefix("tables-")?.split_once(".db")?.0.parse().ok();
        let mut numbers: Vec<_> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// What a query by hand finds, the columns of its only row with `|` between them.
    pub fn show(&self, generation: u64, sql: &str) -> String {
        let read = |row: &rusqlite::Row<'_>| {
            let columns = row.as_ref().column_count();
            (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n)).collect::<Result<Vec<_>, _>>()
        };
        let found = self.sql(&format!("tables-{generation}.db")).query_row(sql, [], read).unwrap();
        let shown = found.into_iter().map(|value| match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(int) => int.to_string(),
            other => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join("|")
    }

    /// A connection to a file of the folder, for SQL by hand.
    pub fn sql(&self, file: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.0.join(file)).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
