//! Appends, reads and waits at the same time.

use super::{Harness, batch, contents, read_all};
use crate::log::{EventLog, Position};
use bytes::Bytes;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Longer than any machine takes for what should be at once.
const LONG: Duration = Duration::from_secs(20);

/// `at_tip` only when true: what was acknowledged before a read began is read before it says so, in order, each once.
pub fn the_tip_is_true_while_others_append(harness: &impl Harness) {
    const BATCHES: usize = 300;
    let log = harness.fresh();
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..BATCHES {
                log.append(&batch(number, 3)).expect("appended");
                acknowledged.fetch_add(3, Ordering::SeqCst);
            }
        });
        let (mut seen, mut from) = (Vec::new(), Position::default());
        while seen.len() < 3 * BATCHES {
            let due = acknowledged.load(Ordering::SeqCst);
            let page = log.read(from, 17).expect("readable");
            from = page.entries.last().map_or(from, |entry| entry.position);
            seen.extend(page.entries.into_iter().map(|entry| entry.bytes));
            assert!(!page.at_tip || seen.len() >= due, "at the tip with {} of {due}", seen.len());
        }
        let expected: Vec<Bytes> = (0..BATCHES).flat_map(|number| batch(number, 3)).collect();
        assert_eq!(seen, expected);
    });
}

/// The records of a batch stand together, whoever else appends.
pub fn appenders_do_not_mix(harness: &impl Harness) {
    let log = harness.fresh();
    thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..20 {
                    log.append(&batch(100 * thread + number, 5)).expect("appended");
                }
            });
        }
    });
    let all = contents(&log);
    assert_eq!(all.len(), 4 * 20 * 5);
    for records in all.chunks(5) {
        let of = |at: usize| String::from_utf8_lossy(&records[at]).replacen(&at.to_string(), "_", 1);
        assert!((0..5).all(|at| of(at) == of(0)), "{records:?}");
    }
}

/// Whoever waits at the tip goes on with the next append, and then finds something.
pub fn wait_is_woken_by_an_append(harness: &impl Harness) {
    let log = harness.fresh();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut from = Position::default();
            for _ in 0..20 {
                let begin = Instant::now();
                let entries = loop {
                    log.wait(from, LONG).expect("waited");
                    // Whoever appends may be faster than whoever reads: the tip is not waited for.
                    let entries = log.read(from, 10).expect("readable").entries;
                    if !entries.is_empty() {
                        break entries;
                    }
                };
                assert!(begin.elapsed() < LONG / 2, "slept through an append");
                from = entries[entries.len() - 1].position;
            }
            from
        });
        let mut number = 0;
        while !reader.is_finished() {
            log.append(&batch(number, 1)).expect("appended");
            number += 1;
            thread::yield_now();
        }
        let begin = Instant::now();
        assert!(log.wait(Position::default(), LONG).expect("waited"), "there is something");
        assert!(begin.elapsed() < LONG / 2, "waited for what is there");
    });
}

/// Returning late is not allowed.
pub fn wait_returns_in_time(harness: &impl Harness) {
    let log = harness.fresh();
    log.append(&batch(0, 1)).expect("appended");
    let tip = read_all(&log, Position::default(), 10)[0].position;
    for position in [tip, Position(u64::MAX)] {
        let begin = Instant::now();
        assert!(!log.wait(position, Duration::from_millis(30)).expect("waited"), "there is nothing at {position:?}");
        assert!(begin.elapsed() < LONG / 2, "at {position:?}");
    }
    log.wait(tip, Duration::ZERO).expect("waited");
}
