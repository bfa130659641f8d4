//! Connections that read.

use super::{Connection, Place};
use crate::store::{StoreError, database::Cells as AnyCells, statement::Statement};
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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
    state: Mutex<Idle>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    in_use: usize,
}

impl Readers {
    /// Opens the first connection; others follow when there is need.
    pub(crate) fn open(place: Place) -> Result<Self, StoreError> {
        let first = Connection::open(&place)?;
        let state = Mutex::new(Idle { connections: vec![first], in_use: 0 });
        Ok(Self { place, state, returned: Condvar::new() })
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

    fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let busy = |idle: &mut Idle| idle.in_use >= READERS;
        let waited = self.returned.wait_timeout_while(self.lock(), PATIENCE, busy);
        let (mut idle, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(super::connection::transient(&self.place.to_string(), "all connections are in use".to_owned()));
        }
        idle.in_use += 1;
        Ok(Lease { readers: self, connection: idle.connections.pop() })
    }

    /// A connection is taken or given back whole, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; it goes back when the read ends.
struct Lease<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.lock();
        idle.connections.extend(self.connection.take());
        idle.in_use -= 1;
        drop(idle);
        self.readers.returned.notify_one();
    }
}
