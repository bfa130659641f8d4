//! One connection.

use super::{Cells, Place, Prepared, reason, types::Encoded};
use crate::store::{StoreError, database::Cells as AnyCells, statement::Statement};
use futures_util::future::try_join_all;
use std::{cell::Cell, fmt, future::Future, path::PathBuf, time::Duration};
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{Client, Row, Statement as Ready, error::SqlState, types::ToSql};

/// Until it is open.
const CONNECT: Duration = Duration::from_secs(5);
/// Until the server has answered a statement; it gives up a little earlier itself.
const ANSWER: Duration = Duration::from_secs(70);
/// A peer that is gone without a word is noticed after this.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// Statements that stay prepared: each shape of a batch's statements, or of a list.
const STATEMENTS: usize = 256;
/// For every connection. Times are UTC, whatever the server is set to.
const SETTINGS: &str = "SET client_min_messages = 'warning'; SET TIME ZONE 'UTC'; SET statement_timeout = '60s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '60s'; SET search_path = ";

/// A connection whose statements find the tables of one schema.
pub(crate) struct Connection {
    client: Client,
    place: String,
    prepared: Prepared,
    in_transaction: Cell<bool>,
}

impl Connection {
    pub(crate) fn open(place: &Place) -> Result<Self, StoreError> {
        let shown = place.to_string();
        let mut config = place.server.config().map_err(|error| transient(&shown, error))?;
        config.connect_timeout(CONNECT).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        let tls = super::types::tls().map_err(|error| transient(&shown, error.to_string()))?;
        let client = wait(&shown, CONNECT * 2, async {
            let (client, connection) = config.connect(tls).await?;
            #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = reason(&error), "a connection to Postgres ended");
                }
            });
            client.batch_execute(&format!("{SETTINGS}\"{}\"", place.schema)).await?;
            Ok(client)
        })?;
        Ok(Self { client, place: shown, prepared: Prepared::default(), in_transaction: Cell::new(false) })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        self.in_transaction.get()
    }

    /// Runs statements that have no arguments; of those that begin or end a transaction it takes note.
    pub(crate) fn run(&self, sql: &str) -> Result<(), StoreError> {
        if sql.starts_with("BEGIN") {
            self.in_transaction.set(true);
        }
        wait(&self.place, ANSWER, self.client.batch_execute(sql))?;
        if matches!(sql, "COMMIT" | "ROLLBACK") {
            self.in_transaction.set(false);
        }
        Ok(())
    }

    /// Runs one statement; how many rows it changed.
    pub(crate) fn execute(&self, statement: &Statement) -> Result<usize, StoreError> {
        let ready = self.prepare(statement)?;
        let changed = wait(&self.place, ANSWER, async {
            let args = encode(statement);
            self.client.execute(&ready, &refer(&args)).await
        })?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Runs statements one after the other; all of them are sent before the first answer is there.
    pub(crate) fn execute_all(&self, statements: &[Statement]) -> Result<(), StoreError> {
        let ready = statements.iter().map(|statement| self.prepare(statement)).collect::<Result<Vec<_>, _>>()?;
        wait(&self.place, ANSWER, async {
            let run = statements.iter().zip(&ready).map(|(statement, ready)| async move {
                let args = encode(statement);
                self.client.execute(ready, &refer(&args)).await
            });
            try_join_all(run).await
        })
        .map(drop)
    }

    /// Runs one statement for its rows.
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        mut read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        let ready = self.prepare(statement)?;
        let rows = wait(&self.place, ANSWER, async {
            let args = encode(statement);
            self.client.query(&ready, &refer(&args)).await
        })?;
        let damaged = |reason: String| StoreError::Damaged { file: PathBuf::from(&self.place), reason };
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let values = decode(&row).map_err(|error| damaged(reason(&error)))?;
            items.push(read(&mut AnyCells::Postgres(Cells::of(&values))).map_err(damaged)?);
        }
        Ok(items)
    }

    fn prepare(&self, statement: &Statement) -> Result<Ready, StoreError> {
        if let Some(ready) = self.prepared.borrow().get(&statement.sql) {
            return Ok(ready.clone());
        }
        let ready = wait(&self.place, ANSWER, self.client.prepare(&statement.sql))?;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= STATEMENTS {
            prepared.clear();
        }
        prepared.insert(statement.sql.clone(), ready.clone());
        Ok(ready)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("place", &self.place).finish_non_exhaustive()
    }
}

fn encode(statement: &Statement) -> Vec<Encoded<'_>> {
    statement.args.iter().map(Encoded).collect()
}

fn refer<'a>(args: &'a [Encoded<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

fn decode(row: &Row) -> Result<Vec<crate::store::statement::Value>, tokio_postgres::Error> {
    (0..row.len()).map(|column| row.try_get::<_, super::types::Decoded>(column).map(|decoded| decoded.0)).collect()
}

/// Waits on this thread for what the runtime's threads do.
fn wait<T>(
    place: &str,
    most: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match Handle::current().block_on(async { timeout(most, work).await }) {
        Ok(result) => result.map_err(|error| sql(place, &error)),
        Err(_) => Err(transient(place, format!("Postgres did not answer within {} s", most.as_secs()))),
    }
}

/// Says which database an error is about, and whether it may pass.
fn sql(place: &str, error: &tokio_postgres::Error) -> StoreError {
    let state = error.code().map(SqlState::code);
    if state == Some("53100") {
        return StoreError::DiskFull { file: PathBuf::from(place) };
    }
    // Broken connections, conflicts of transactions, no room, a server that stops, time that is over, a file that cannot be
    // read. What is no answer of the server is the connection, or a value that does not fit.
    let may_pass = match state {
        Some(code) => ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)),
        None => error.is_closed() || is_io(error),
    };
    StoreError::Sql { file: PathBuf::from(place), transient: may_pass, source: reason(error).into() }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    matches!(std::error::Error::source(error), Some(source) if source.is::<std::io::Error>())
}

/// What may pass by itself.
pub(super) fn transient(place: &str, reason: String) -> StoreError {
    StoreError::Sql { file: PathBuf::from(place), transient: true, source: reason.into() }
}

/// A connection that is not there any more.
pub(super) fn lost(place: &str) -> StoreError {
    transient(place, "the connection is lost".to_owned())
}
