//! What is SQLite's own: connections, pragmas, files, and how its errors are read.
//!
//! Everything here blocks. One connection writes, a few read; the callers bring the thread.

use super::{
    StoreError,
    database::Cells as AnyCells,
    pool::Pool,
    statement::{Statement, Value},
};
use mcpctl_events::log::sqlite::make_private_file;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, functions::FunctionFlags, types::ValueRef};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read at the same time.
const READERS: usize = 4;
/// Prepared statements that a connection keeps: each shape of a batch's statements, or of a list.
const STATEMENTS: usize = 64;

/// Pages in the write-ahead log before a commit moves them into the file: rare, for that commit waits for two syncs, and
/// pages that were written again and again are then moved once.
const CHECKPOINT_PAGES: u32 = 4000;

/// How much a commit has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A crash of the process: the content can be folded anew.
    Fold,
    /// A crash of the machine: nobody can rebuild the content.
    Truth,
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Make the file if there is none.
    Create,
    Write,
    Read,
}

/// Opens a connection.
pub(crate) fn connect(file: &Path, durability: Durability, access: Access) -> Result<Connection, StoreError> {
    // A connection that only reads may still have to recover the write-ahead log, so it is opened to write.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, access == Access::Create);
    if access == Access::Create {
        make_private_file(file);
    }
    let open = || {
        let conn = Connection::open_with_flags(file, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        lower_all_letters(&conn)?;
        let synchronous = if durability == Durability::Truth { "FULL" } else { "NORMAL" };
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -1024; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
             PRAGMA journal_size_limit = 16777216; PRAGMA query_only = {};",
            access == Access::Read
        ))?;
        Ok(conn)
    };
    open().map_err(|error| sql(file, error))
}

/// Has `lower` know all letters, as it does in Postgres; SQLite's own knows those of ASCII.
fn lower_all_letters(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("lower", 1, flags, |context| {
        Ok(context.get::<Option<String>>(0)?.map(|text| text.to_lowercase()))
    })
}

/// Runs the statements of a schema, all or nothing.
pub(crate) fn run_schema(conn: &Connection, file: &Path, schema: &str) -> Result<(), StoreError> {
    let done = conn.execute_batch(&format!("BEGIN IMMEDIATE;\n{schema}\nCOMMIT;"));
    done.map_err(|error| sql(file, error))
}

/// Brings a store that is never rebuilt to the newest schema, step by step.
pub(crate) fn migrate(conn: &Connection, file: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|error| sql(file, error))?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > i64::from(known) {
        return Err(StoreError::NewerVersion { file: file.to_owned(), found, known });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for (step, version) in steps.iter().zip(1..).skip(done) {
        run_schema(conn, file, &format!("{step}\nPRAGMA user_version = {version};"))?;
    }
    Ok(())
}

/// Removes a database file and what SQLite keeps beside it. Connections that are open go on with what they have.
pub(crate) fn remove(file: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Says which file an error is about.
fn sql(file: &Path, source: rusqlite::Error) -> StoreError {
    if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return StoreError::DiskFull { file: file.to_owned() };
    }
    let transient = matches!(
        source.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::ReadOnly
        )
    );
    StoreError::Sql { file: file.to_owned(), transient, source: source.into() }
}

fn execute(conn: &Connection, statement: &Statement) -> rusqlite::Result<usize> {
    let mut prepared = conn.prepare_cached(&statement.sql)?;
    bind(&mut prepared, &statement.args)?;
    prepared.raw_execute()
}

/// Placeholders are numbered as they come, so `$n` is the n-th argument.
fn bind(prepared: &mut rusqlite::Statement<'_>, args: &[Value]) -> rusqlite::Result<()> {
    for (n, arg) in (1..).zip(args) {
        match arg {
            Value::Text(text) => prepared.raw_bind_parameter(n, text)?,
            Value::Int(int) => prepared.raw_bind_parameter(n, int)?,
        }
    }
    Ok(())
}

/// Runs a query and reads each of its rows with `read`.
fn fetch<T>(
    file: &Path,
    conn: &Connection,
    statement: &Statement,
    mut read: impl FnMut(&mut AnyCells) -> Result<T, String>,
) -> Result<Vec<T>, StoreError> {
    let mut prepared = conn.prepare_cached(&statement.sql).map_err(|error| sql(file, error))?;
    bind(&mut prepared, &statement.args).map_err(|error| sql(file, error))?;
    let (mut rows, mut items) = (prepared.raw_query(), Vec::new());
    while let Some(row) = rows.next().map_err(|error| sql(file, error))? {
        let item = read(&mut AnyCells::Sqlite(Cells { row, next: 0 }));
        items.push(item.map_err(|reason| StoreError::Damaged { file: file.to_owned(), reason })?);
    }
    Ok(items)
}

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    file: PathBuf,
    conn: Connection,
}

impl Writer {
    pub(crate) fn open(file: &Path, durability: Durability) -> Result<Self, StoreError> {
        Ok(Self { file: file.to_owned(), conn: connect(file, durability, Access::Write)? })
    }

    pub(crate) fn new(file: &Path, conn: Connection) -> Self {
        Self { file: file.to_owned(), conn }
    }

    /// Ends a transaction that was left open.
    pub(crate) fn roll_back(&self) {
        if !self.conn.is_autocommit() {
            // It fails only where SQLite has rolled back by itself.
            let _ = self.run("ROLLBACK");
        }
    }

    /// Begins a transaction that ends with [`commit`](Self::commit), or undone when the connection is closed.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE")
    }

    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        self.run("COMMIT")
    }

    fn run(&self, sql_text: &str) -> Result<(), StoreError> {
        let run = || self.conn.prepare_cached(sql_text)?.raw_execute();
        run().map(drop).map_err(|error| sql(&self.file, error))
    }

    /// Runs one statement; how many rows it changed.
    pub(crate) fn execute(&self, statement: &Statement) -> Result<usize, StoreError> {
        execute(&self.conn, statement).map_err(|error| sql(&self.file, error))
    }

    /// Runs one statement for its rows.
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        fetch(&self.file, &self.conn, statement, read)
    }

    /// Moves everything from the write-ahead log into the file, synced.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        let settled = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        settled.map_err(|error| sql(&self.file, error))
    }
}

/// Connections that read.
#[derive(Debug)]
pub(crate) struct Readers {
    file: PathBuf,
    durability: Durability,
    pool: Pool<Connection>,
}

impl Readers {
    /// Opens the first connection; others follow when there is need.
    pub(crate) fn open(file: &Path, durability: Durability) -> Result<Self, StoreError> {
        let pool = Pool::new(READERS, connect(file, durability, Access::Read)?);
        Ok(Self { file: file.to_owned(), durability, pool })
    }

    /// Runs one query.
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        self.with(|conn| fetch(&self.file, conn, statement, read))
    }

    /// Runs two queries on the very same snapshot.
    pub(crate) fn fetch_both<A, B>(
        &self,
        (first, read_first): (&Statement, impl FnMut(&mut AnyCells) -> Result<A, String>),
        (second, read_second): (&Statement, impl FnMut(&mut AnyCells) -> Result<B, String>),
    ) -> Result<(Vec<A>, Vec<B>), StoreError> {
        self.with(|conn| {
            let run = |text| conn.prepare_cached(text)?.raw_execute();
            run("BEGIN").map_err(|error| sql(&self.file, error))?;
            let first = fetch(&self.file, conn, first, read_first);
            let both = first.and_then(|first| Ok((first, fetch(&self.file, conn, second, read_second)?)));
            run("ROLLBACK").map_err(|error| sql(&self.file, error))?;
            both
        })
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut lease = self.pool.lend();
        let conn = match lease.connection.take() {
            Some(conn) => conn,
            None => connect(&self.file, self.durability, Access::Read)?,
        };
        let result = read(&conn);
        // One that is still within a snapshot would keep it for ever.
        if conn.is_autocommit() {
            lease.connection = Some(conn);
        }
        result
    }
}

/// Several reads of one snapshot, which lasts as long as this does.
#[derive(Debug)]
pub(crate) struct Snapshot {
    file: PathBuf,
    conn: Connection,
}

impl Snapshot {
    pub(crate) fn open(file: &Path) -> Result<Self, StoreError> {
        let conn = connect(file, Durability::Fold, Access::Read)?;
        conn.execute_batch("BEGIN").map_err(|error| sql(file, error))?;
        Ok(Self { file: file.to_owned(), conn })
    }

    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        fetch(&self.file, &self.conn, statement, read)
    }
}

/// The columns of a row, read one after the other.
pub(crate) struct Cells<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Cells<'r> {
    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'r str>, String> {
        match self.step()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|error| error.to_string()),
            other => Err(format!("a text is stored as {}", other.data_type())),
        }
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>, String> {
        match self.step()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(int) => Ok(Some(int)),
            other => Err(format!("a number is stored as {}", other.data_type())),
        }
    }

    /// Whatever is there.
    pub(crate) fn value(&mut self) -> Result<Value, String> {
        Ok(match self.step()? {
            ValueRef::Null => Value::Text(None),
            ValueRef::Integer(int) => Value::Int(Some(int)),
            ValueRef::Text(bytes) => Value::Text(Some(String::from_utf8_lossy(bytes).into_owned())),
            other => Value::Text(Some(format!("{other:?}"))),
        })
    }

    fn step(&mut self) -> Result<ValueRef<'r>, String> {
        self.next += 1;
        self.row.get_ref(self.next - 1).map_err(|error| error.to_string())
    }
}
