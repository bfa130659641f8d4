//! What is Postgres' own: connections, types, and how its errors are read.
//!
//! Everything here blocks, on a thread of a runtime that drives the connections. One connection writes, a few read; one
//! that broke is made anew by whoever needs it next.

mod connection;
mod listen;
mod readers;
mod types;
pub(crate) mod work;

pub(crate) use connection::Connection;
pub(crate) use listen::Listener;
pub(crate) use readers::Readers;

use super::{
    StoreError,
    database::Cells as AnyCells,
    statement::{Statement, Value},
};
use std::{cell::RefCell, fmt, path::PathBuf, str::FromStr, sync::Arc};
use tokio_postgres::Config;

/// A database on a server, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    config: Arc<Config>,
    password_file: Option<PathBuf>,
    shown: String,
}

/// The parameter of a URL that names a file with the password: what is in an environment, many can read.
const PASSWORD_FILE: &str = "password_file=";

impl FromStr for Server {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let (bare, query) = url.split_once('?').unwrap_or((url, ""));
        let (file, others): (Vec<&str>, Vec<&str>) =
            query.split('&').filter(|it| !it.is_empty()).partition(|it| it.starts_with(PASSWORD_FILE));
        let password_file = file.first().and_then(|it| it.strip_prefix(PASSWORD_FILE)).map(PathBuf::from);
        let config: Config = format!("{bare}?{}", others.join("&"))
            .trim_end_matches('?')
            .parse()
            .map_err(|error: tokio_postgres::Error| reason(&error))?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err("a host and a database are missing".to_owned());
        }
        // Everything but the password, which is before the last `@` of what comes before the path.
        let (scheme, rest) = bare.split_once("://").unwrap_or_default();
        let (user_info, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let user = user_info.split(':').next().filter(|user| !user.is_empty()).map(|user| format!("{user}@"));
        let shown = format!("{scheme}://{}{place}", user.unwrap_or_default());
        Ok(Self { shown, config: config.into(), password_file })
    }
}

impl Server {
    /// How to connect. The password's file is read each time: whoever changes it need not start anything anew.
    fn config(&self) -> Result<Config, String> {
        let mut config = (*self.config).clone();
        if let Some(file) = &self.password_file {
            let read = std::fs::read_to_string(file);
            config.password(read.map_err(|error| format!("{PASSWORD_FILE}{}: {error}", file.display()))?.trim());
        }
        config.application_name("mcpd");
        Ok(config)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A schema of a database: what statements find without naming it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub server: Server,
    pub schema: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (schema {})", self.server, self.schema)
    }
}

/// The words of an error with those of its cause.
fn reason(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(db), _) => db.to_string(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    place: Place,
    connection: Option<Box<Connection>>,
}

impl Writer {
    /// Connects.
    pub(crate) fn open(place: Place) -> Result<Self, StoreError> {
        let connection = Some(Connection::open(&place)?.into());
        Ok(Self { place, connection })
    }

    /// A connection that broke is given up: what was not committed is undone.
    pub(crate) fn roll_back(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !connection.is_in_transaction() || connection.run("ROLLBACK").is_ok() {
            self.connection = Some(connection).filter(|connection| !connection.is_closed());
        }
    }

    /// Whether the connection is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.is_closed())
    }

    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        let connection = match self.connection.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => Connection::open(&self.place)?.into(),
        };
        let connection = self.connection.insert(connection);
        connection.run("BEGIN")
    }

    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        self.connection()?.run("COMMIT")
    }

    pub(crate) fn execute(&self, statement: &Statement) -> Result<usize, StoreError> {
        self.connection()?.execute(statement)
    }

    pub(crate) fn execute_all(&self, statements: &[Statement]) -> Result<(), StoreError> {
        self.connection()?.execute_all(statements)
    }

    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        self.connection()?.fetch(statement, read)
    }

    /// Runs statements that have no arguments.
    pub(crate) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.connection()?.run(sql)
    }

    /// Within a transaction there is one; outside of it, it may have broken.
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_deref().ok_or_else(|| connection::lost(&self.place.to_string()))
    }
}

/// Several reads of one snapshot, which lasts as long as this does.
#[derive(Debug)]
pub(crate) struct Snapshot(Box<Connection>);

impl Snapshot {
    pub(crate) fn open(place: &Place) -> Result<Self, StoreError> {
        let connection = Connection::open(place)?;
        connection.run(readers::BEGIN_SNAPSHOT)?;
        Ok(Self(connection.into()))
    }

    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        self.0.fetch(statement, read)
    }
}

/// The columns of a row, read one after the other.
pub(crate) struct Cells<'r> {
    values: std::slice::Iter<'r, Value>,
}

impl<'r> Cells<'r> {
    fn of(values: &'r [Value]) -> Self {
        Self { values: values.iter() }
    }

    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'r str>, String> {
        match self.step()? {
            Value::Text(text) => Ok(text.as_deref()),
            Value::Int(None) => Ok(None),
            Value::Int(Some(_)) => Err("a text is stored as a number".to_owned()),
        }
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>, String> {
        match self.step()? {
            Value::Int(int) => Ok(*int),
            Value::Text(None) => Ok(None),
            Value::Text(Some(_)) => Err("a number is stored as text".to_owned()),
        }
    }

    pub(crate) fn value(&mut self) -> Result<Value, String> {
        self.step().cloned()
    }

    fn step(&mut self) -> Result<&'r Value, String> {
        self.values.next().ok_or_else(|| "a column is missing".to_owned())
    }
}

/// Statements that a connection has prepared.
type Prepared = RefCell<std::collections::HashMap<String, tokio_postgres::Statement>>;
