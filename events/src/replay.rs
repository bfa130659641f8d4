//! Reading a log from some position to its tip, as fast as the machine can.
//!
//! Hashing and decoding go on in parallel, page by page; the fold takes the pages in order.

use crate::{
    log::{EventLog, Position, ReadError},
    replica::{Decoded, Replica, Stopped},
};
use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

/// Records in a page: enough to pay for the hand-over, few enough to stay in the cache.
const PAGE: usize = 256;
/// Pages for each worker that the workers together may be ahead of the fold.
const AHEAD: usize = 2;

/// Why the log could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The history is altered, or newer than this version.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

type Decoding = Result<Vec<Decoded>, ReadError>;

/// Folds the log until `replica` has reached `sequence`, or the tip if that comes first. A record that goes beyond
/// `sequence` is folded whole. For `workers` see [`each_record`]. Blocks.
pub fn fold_to(log: &dyn EventLog, replica: &mut Replica, workers: usize, sequence: u64) -> Result<(), ReplayError> {
    if replica.admission.last_sequence >= sequence {
        return Ok(());
    }
    each_record(log, replica.position, workers, |entry| {
        replica.apply(entry)?;
        let there = replica.admission.last_sequence >= sequence;
        Ok::<_, ReplayError>(if there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(())
}

/// Hands every record after `after` to `visit`, in log order, until it breaks or the tip is reached; true at the tip.
/// `workers` threads, one at least, read and decode ahead. Blocks.
pub fn each_record<E: From<ReadError>>(
    log: &dyn EventLog,
    after: Position,
    workers: usize,
    mut visit: impl FnMut(&Decoded) -> Result<ControlFlow<()>, E>,
) -> Result<bool, E> {
    let workers = workers.max(1);
    thread::scope(|scope| {
        let (queue, pages) = mpsc::sync_channel(workers * AHEAD);
        let cursor = Arc::new(Mutex::new(Cursor { after, queue: Some(queue) }));
        for _ in 0..workers {
            let cursor = cursor.clone();
            scope.spawn(move || work(log, &cursor));
        }
        drop(cursor);
        for Promised { page, used } in pages {
            // A worker that panics hands nothing over; the scope passes its panic on.
            let Ok(page) = page.recv() else { return Ok(false) };
            let page = page?;
            for entry in &page {
                if visit(entry)?.is_break() {
                    return Ok(false);
                }
            }
            drop(used.try_send(page));
        }
        Ok(true)
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
        fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
            self.0.wait(after, timeout)
        }
    }

    /// Records that take long to read beside ones that take none.
    fn uneven() -> RecordByRecord {
        let record = |number: usize| Bytes::from(vec![b' '; if number.is_multiple_of(3) { 100_000 } else { 1 }]);
        RecordByRecord(MemoryLog::from_records((0..1_000).map(record).collect()))
    }

    #[test]
    fn records_come_in_log_order_however_many_workers_decode_them() {
        for workers in [0, 1, 2, 3, 8] {
            let mut seen = Vec::new();
            let tip = each_record(&uneven(), Position::default(), workers, |entry| {
                seen.push(entry.position.0);
                Ok::<_, ReadError>(ControlFlow::Continue(()))
            });
            assert!(tip.unwrap(), "{workers} workers reach the tip");
            assert_eq!(seen, (1..=1_000).collect::<Vec<_>>(), "{workers} workers");
        }
    }

    #[test]
    fn begins_where_it_is_told_and_ends_when_it_is_told() {
        let mut seen = Vec::new();
        let tip = each_record(&uneven(), Position(990), 2, |entry| {
            seen.push(entry.position.0);
            let done = entry.position == Position(997);
            Ok::<_, ReadError>(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert!(!tip.unwrap());
        assert_eq!(seen, (991..=997).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_of_the_visitor_ends_it() {
        let failed = || ReadError { reason: "enough".to_owned(), retryable: false };
        let ended = each_record(&uneven(), Position::default(), 2, |_| Err::<ControlFlow<()>, _>(failed()));
        assert_eq!(ended.unwrap_err().reason, "enough");
    }

    #[test]
    fn folds_to_the_tip_of_a_log_that_ends_early() {
        let mut replica = Replica::default();
        fold_to(&uneven(), &mut replica, 2, 5).unwrap();
        assert_eq!(replica.position, Position(1_000), "nothing on it is a record, so the sequence is never reached");
    }
}
