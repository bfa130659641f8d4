//! Reading a log from some position to its tip, as fast as the machine can.
//!
//! Hashing and decoding go on in parallel, page by page; the fold takes the pages in order.

use crate::{
    log::{EventLog, Position, ReadError},
    replica::{Decoded, Replica, Stopped},
};
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

/// Records in a page: enough to pay for the hand-over, few enough to stay in the cache.
const PAGE: usize = 256;
/// Pages for each worker that the workers together may be ahead of the fold.
const AHEAD: usize = 2;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The history is altered, or newer than this version.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The caller asked to stop.
    #[error("the replay was cancelled")]
    Cancelled,
}

type Decoding = Result<Vec<Decoded>, ReadError>;

/// Brings `replica` to the tip of `log`, with `workers` threads that decode. `progress` hears the replica after each
/// page and the page's records, and ends the replay by returning false.
pub fn replay(
    log: &dyn EventLog,
    replica: &mut Replica,
    workers: usize,
    mut progress: impl FnMut(&Replica, &[Decoded]) -> bool,
) -> Result<(), ReplayError> {
    let workers = workers.max(1);
    thread::scope(|scope| {
        let (queue, pages) = mpsc::sync_channel(workers * AHEAD);
        let cursor = Arc::new(Mutex::new(Cursor { after: replica.position, queue: Some(queue) }));
        for _ in 0..workers {
            let cursor = cursor.clone();
            scope.spawn(move || work(log, &cursor));
        }
        drop(cursor);
        for Promised { page, used } in pages {
            // A worker that panics hands nothing over; the scope passes its panic on.
            let Ok(page) = page.recv() else { return Ok(()) };
            let page = page?;
            for entry in &page {
                replica.apply(entry)?;
            }
            if !progress(replica, &page) {
                return Err(ReplayError::Cancelled);
            }
            drop(used.try_send(page));
        }
        Ok(())
    })
}

struct Cursor {
    after: Position,
    /// Pages in log order, each by the promise of the worker that decodes it; `None` at the end.
    queue: Option<mpsc::SyncSender<Promised>>,
}

struct Promised {
    page: mpsc::Receiver<Decoding>,
    /// Back to its worker: memory that another thread frees is what an allocator is slowest at.
    used: mpsc::SyncSender<Vec<Decoded>>,
}

fn work(log: &dyn EventLog, cursor: &Mutex<Cursor>) {
    let (used, pages) = mpsc::sync_channel(2 * AHEAD);
    while take_turn(log, cursor, &used) {
        pages.try_iter().for_each(drop);
    }
}

/// Reads the next page, promises it, and decodes it; false at the end.
fn take_turn(log: &dyn EventLog, cursor: &Mutex<Cursor>, used: &mpsc::SyncSender<Vec<Decoded>>) -> bool {
    let (page, promise) = {
        let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = &cursor.queue else { return false };
        let page = log.read(cursor.after, PAGE);
        let (promise, promised) = mpsc::sync_channel(1);
        // Still under the lock, so that the promises are in log order.
        let wanted = queue.send(Promised { page: promised, used: used.clone() }).is_ok();
        match &page {
            Ok(page) if wanted && !page.at_tip => {
                cursor.after = page.entries.last().map_or(cursor.after, |entry| entry.position);
            }
            _ => cursor.queue = None,
        }
        (page, promise)
    };
    promise.send(page.map(|page| page.entries.iter().map(Decoded::new).collect())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{AppendError, Page, memory::MemoryLog};
    use bytes::Bytes;
    use std::time::Duration;

    /// Gives a record a page, so that pages differ in what they cost.
    struct RecordByRecord(MemoryLog);

    impl EventLog for RecordByRecord {
        fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
            self.0.append(records)
        }
        fn read(&self, after: Position, _: usize) -> Result<Page, ReadError> {
            self.0.read(after, 1)
        }
        fn wait(&self, after: Position, timeout: Duration) -> Result<(), ReadError> {
            self.0.wait(after, timeout)
        }
    }

    /// Records that take long to read beside ones that take none.
    fn uneven() -> RecordByRecord {
        let record = |number: usize| Bytes::from(vec![b' '; if number.is_multiple_of(3) { 100_000 } else { 1 }]);
        RecordByRecord(MemoryLog::from_records((0..1_000).map(record).collect()))
    }

    #[test]
    fn pages_come_in_log_order_however_many_workers_decode_them() {
        for workers in [0, 1, 2, 3, 8] {
            let (mut replica, mut seen) = (Replica::default(), Vec::new());
            let progress = |_: &Replica, page: &[Decoded]| {
                seen.extend(page.iter().map(|entry| entry.position.0));
                true
            };
            replay(&uneven(), &mut replica, workers, progress).unwrap();
            assert_eq!(seen, (1..=1_000).collect::<Vec<_>>(), "{workers} workers");
            assert_eq!(replica.position, Position(1_000));
        }
    }

    #[test]
    fn goes_on_where_the_replica_is_and_ends_when_asked() {
        let (mut replica, mut pages) = (Replica::default(), 0);
        let stop = |_: &Replica, _: &[Decoded]| {
            pages += 1;
            pages < 7
        };
        let stopped = replay(&uneven(), &mut replica, 2, stop);
        assert!(matches!(stopped, Err(ReplayError::Cancelled)), "{stopped:?}");
        assert_eq!(replica.position, Position(7));
        replay(&uneven(), &mut replica, 2, |_, _| true).unwrap();
        assert_eq!(replica.position, Position(1_000));
    }
}
