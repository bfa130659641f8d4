//! Connections that are lent out, a few at a time, and made when there is need.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Connections of one kind.
#[derive(Debug)]
pub(super) struct Pool<C> {
    most: usize,
    state: Mutex<Idle<C>>,
    returned: Condvar,
}

#[derive(Debug)]
struct Idle<C> {
    connections: Vec<C>,
    in_use: usize,
}

impl<C> Pool<C> {
    /// Of at most so many at once, with the first one.
    pub(super) fn new(most: usize, first: C) -> Self {
        let state = Mutex::new(Idle { connections: vec![first], in_use: 0 });
        Self { most, state, returned: Condvar::new() }
    }

    /// Waits until a connection may be used.
    pub(super) fn lend(&self) -> Lease<'_, C> {
        let idle = self.returned.wait_while(self.lock(), |idle| idle.in_use >= self.most);
        self.lease(idle.unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, for a while only.
    pub(super) fn lend_within(&self, patience: Duration) -> Option<Lease<'_, C>> {
        let waited = self.returned.wait_timeout_while(self.lock(), patience, |idle| idle.in_use >= self.most);
        let (idle, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        (!waited.timed_out()).then(|| self.lease(idle))
    }

    fn lease(&self, mut idle: MutexGuard<'_, Idle<C>>) -> Lease<'_, C> {
        idle.in_use += 1;
        Lease { pool: self, connection: idle.connections.pop() }
    }

    /// A connection is taken or given back whole, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Idle<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use a connection: an idle one, if there is one. What is in it at the end goes back.
pub(super) struct Lease<'a, C> {
    pool: &'a Pool<C>,
    pub(super) connection: Option<C>,
}

impl<C> Drop for Lease<'_, C> {
    fn drop(&mut self) {
        let mut idle = self.pool.lock();
        idle.connections.extend(self.connection.take());
        idle.in_use -= 1;
        drop(idle);
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_comes_back_unless_it_is_kept() {
        let pool = Pool::new(2, 'a');
        let (mut one, mut two) = (pool.lend(), pool.lend());
        assert_eq!((one.connection.take(), two.connection), (Some('a'), None));
        assert!(pool.lend_within(Duration::from_millis(1)).is_none(), "both are in use");
        two.connection = Some('b');
        drop(two);
        assert_eq!(pool.lend_within(Duration::ZERO).unwrap().connection, Some('b'));
        drop(one);
        let (mut one, two) = (pool.lend(), pool.lend());
        assert_eq!((one.connection.take(), two.connection), (Some('b'), None), "`a` was not given back");
    }

    #[test]
    fn who_waits_gets_what_comes_back() {
        let pool = Pool::new(1, 'a');
        std::thread::scope(|scope| {
            let lease = pool.lend();
            let waits = scope.spawn(|| pool.lend().connection.take());
            drop(lease);
            assert_eq!(waits.join().unwrap(), Some('a'));
        });
    }
}
