//! A database of either kind: where it is, and connections that speak the one SQL of the statements.
//!
//! Everything here blocks; the callers bring the thread.

use super::{
    StoreError, postgres,
    sqlite::{self, Durability},
    statement::{Statement, Value},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where tables and work are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// SQLite files in a folder, of one server.
    Folder(PathBuf),
    /// A Postgres database, which servers may share.
    Postgres(postgres::Server),
}

/// A text that names no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDatabase {
    /// Neither of the two.
    #[error("it is sqlite:<path of a folder> or postgres://user@host:port/database")]
    Unknown,
    /// A URL of Postgres that cannot be read.
    #[error("it is postgres://user@host:port/database: {0}")]
    Postgres(String),
}

impl FromStr for Database {
    type Err = BadDatabase;

    fn from_str(url: &str) -> Result<Self, BadDatabase> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return url.parse().map(Self::Postgres).map_err(BadDatabase::Postgres);
        }
        let path = url.strip_prefix("sqlite:").filter(|path| !path.is_empty());
        path.map(|path| Self::Folder(path.into())).ok_or(BadDatabase::Unknown)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => write!(f, "sqlite:{}", dir.display()),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

impl From<&Path> for Database {
    fn from(dir: &Path) -> Self {
        Self::Folder(dir.to_owned())
    }
}

impl From<&Self> for Database {
    fn from(database: &Self) -> Self {
        database.clone()
    }
}

/// The one connection that writes to a set of tables.
#[derive(Debug)]
pub(crate) enum Writer {
    Sqlite(sqlite::Writer),
    Postgres(postgres::Writer),
}

impl Writer {
    /// Does `work` in one transaction: all of it, or nothing if it fails.
    pub(crate) fn transact<T>(&mut self, work: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Left open by one that panicked.
        self.roll_back();
        self.begin()?;
        let result = work(self).and_then(|value| self.commit().map(|()| value));
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    /// Whether a commit that failed may have been done all the same: its connection was lost before the answer.
    pub(crate) fn may_have_committed(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(writer) => writer.is_lost(),
        }
    }

    fn roll_back(&mut self) {
        match self {
            Self::Sqlite(writer) => writer.roll_back(),
            Self::Postgres(writer) => writer.roll_back(),
        }
    }

    /// Begins a transaction that ends with [`commit`](Self::commit), or undone when the connection is closed.
    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(writer) => writer.begin(),
            Self::Postgres(writer) => writer.begin(),
        }
    }

    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(writer) => writer.commit(),
            Self::Postgres(writer) => writer.commit(),
        }
    }

    /// Runs one statement; how many rows it changed.
    pub(crate) fn execute(&self, statement: &Statement) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.execute(statement),
            Self::Postgres(writer) => writer.execute(statement),
        }
    }

    /// Runs statements one after the other.
    pub(crate) fn execute_all(&self, statements: &[Statement]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(writer) => statements.iter().try_for_each(|statement| writer.execute(statement).map(drop)),
            Self::Postgres(writer) => writer.execute_all(statements),
        }
    }

    /// Runs one statement for its rows.
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut Cells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(writer) => writer.fetch(statement, read),
            Self::Postgres(writer) => writer.fetch(statement, read),
        }
    }

    /// Has everything on the disk, as far as that is not the database's own business.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(writer) => writer.settle(),
            Self::Postgres(_) => Ok(()),
        }
    }
}

/// Connections that read.
#[derive(Debug)]
pub(crate) enum Readers {
    Sqlite(sqlite::Readers),
    Postgres(postgres::Readers),
}

impl Readers {
    /// Of a file.
    pub(crate) fn of_file(file: &Path, durability: Durability) -> Result<Self, StoreError> {
        sqlite::Readers::open(file, durability).map(Self::Sqlite)
    }

    /// Runs one query.
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut Cells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(readers) => readers.fetch(statement, read),
            Self::Postgres(readers) => readers.fetch(statement, read),
        }
    }

    /// Runs two queries on the very same snapshot.
    pub(crate) fn fetch_both<A, B>(
        &self,
        first: (&Statement, impl FnMut(&mut Cells) -> Result<A, String>),
        second: (&Statement, impl FnMut(&mut Cells) -> Result<B, String>),
    ) -> Result<(Vec<A>, Vec<B>), StoreError> {
        match self {
            Self::Sqlite(readers) => readers.fetch_both(first, second),
            Self::Postgres(readers) => readers.fetch_both(first, second),
        }
    }
}

/// Several reads of one snapshot, which lasts as long as this does.
#[derive(Debug)]
pub(crate) enum Snapshot {
    Sqlite(sqlite::Snapshot),
    Postgres(postgres::Snapshot),
}

impl Snapshot {
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut Cells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(snapshot) => snapshot.fetch(statement, read),
            Self::Postgres(snapshot) => snapshot.fetch(statement, read),
        }
    }
}

/// The columns of a row, read one after the other.
pub(crate) enum Cells<'r> {
    Sqlite(sqlite::Cells<'r>),
    Postgres(postgres::Cells<'r>),
}

impl<'r> Cells<'r> {
    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'r str>, String> {
        match self {
            Self::Sqlite(cells) => cells.text_or_null(),
            Self::Postgres(cells) => cells.text_or_null(),
        }
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>, String> {
        match self {
            Self::Sqlite(cells) => cells.int_or_null(),
            Self::Postgres(cells) => cells.int_or_null(),
        }
    }

    /// Whatever is there.
    pub(crate) fn value(&mut self) -> Result<Value, String> {
        match self {
            Self::Sqlite(cells) => cells.value(),
            Self::Postgres(cells) => cells.value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_folder_or_a_server() {
        assert_eq!("sqlite:/x y".parse(), Ok(Database::Folder("/x y".into())));
        assert_eq!("sqlite:".parse::<Database>(), Err(BadDatabase::Unknown));
        assert_eq!("mysql://x/y".parse::<Database>(), Err(BadDatabase::Unknown));
        let postgres: Database = "postgres://mcpd:secret@db.example:5433/registry".parse().unwrap();
        assert_eq!(postgres.to_string(), "postgres://mcpd@db.example:5433/registry", "nobody sees the password");
        assert!(!format!("{postgres:?}").contains("secret"));
        let with_file: Database =
            "postgres://mcpd@db/registry?password_file=/run/secrets/x&sslmode=require".parse().unwrap();
        assert_eq!(with_file.to_string(), "postgres://mcpd@db/registry");
        let error = "postgres://db:x/y".parse::<Database>().unwrap_err().to_string();
        assert!(error.starts_with("it is postgres://user@host:port/database: "), "{error}");
    }
}
