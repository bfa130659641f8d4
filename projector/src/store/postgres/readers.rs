//! Connections that read.

use super::{Connection, Place};
use crate::store::{
    StoreError,
    database::Cells as AnyCells,
    pool::{Lease, Pool},
    statement::Statement,
};
use std::time::Duration;

/// Connections that read at the same time.
const READERS: usize = 8;
/// How long is waited for one of them.
const PATIENCE: Duration = Duration::from_secs(5);
/// A transaction that sees one moment.
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A few connections, made when there is need.
#[derive(Debug)]
pub(crate) struct Readers {
    place: Place,
    pool: Pool<Connection>,
}

impl Readers {
    /// Opens the first connection; others follow when there is need.
    pub(crate) fn open(place: Place) -> Result<Self, StoreError> {
        let pool = Pool::new(READERS, Connection::open(&place)?);
        Ok(Self { place, pool })
    }

    /// Runs one query.
    pub(crate) fn fetch<T>(
        &self,
        statement: &Statement,
        mut read: impl FnMut(&mut AnyCells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        self.with(|connection| connection.fetch(statement, &mut read))
    }

    /// Runs two queries on the very same snapshot.
    pub(crate) fn fetch_both<A, B>(
        &self,
        (first, mut read_first): (&Statement, impl FnMut(&mut AnyCells) -> Result<A, String>),
        (second, mut read_second): (&Statement, impl FnMut(&mut AnyCells) -> Result<B, String>),
    ) -> Result<(Vec<A>, Vec<B>), StoreError> {
        self.with(|connection| {
            connection.run(BEGIN_SNAPSHOT)?;
            let first = connection.fetch(first, &mut read_first);
            let both = first.and_then(|first| Ok((first, connection.fetch(second, &mut read_second)?)));
            connection.run("ROLLBACK")?;
            both
        })
    }

    /// Reads with a connection; once more with a new one if that was broken: the server may have been started anew.
    fn with<T>(&self, mut read: impl FnMut(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut lease = self.lease()?;
        if let Some(connection) = lease.connection.take() {
            let result = read(&connection);
            if !connection.is_closed() {
                // One that is still within a snapshot would keep it for ever.
                lease.connection = Some(connection).filter(|connection| !connection.is_in_transaction());
                return result;
            }
        }
        let connection = Connection::open(&self.place)?;
        let result = read(&connection);
        lease.connection =
            Some(connection).filter(|connection| !connection.is_closed() && !connection.is_in_transaction());
        result
    }

    fn lease(&self) -> Result<Lease<'_, Connection>, StoreError> {
        let busy = || super::connection::transient(&self.place.to_string(), "all connections are in use".to_owned());
        self.pool.lend_within(PATIENCE).ok_or_else(busy)
    }
}
