//! What was appended is what is read.

use super::{Harness, batch, contents, read_all};
use crate::log::{EventLog, Page, Position};
use bytes::Bytes;

/// A new log has nothing on it, before its first record and anywhere else.
pub fn a_log_is_empty_at_first(harness: &impl Harness) {
    let log = harness.fresh();
    for position in [0, 1, u64::MAX] {
        let page = log.read(Position(position), 10).expect("readable");
        assert!(page.entries.is_empty() && page.at_tip, "at {position}");
    }
    log.append(&[]).expect("an empty batch is nothing");
    assert!(contents(&log).is_empty());
}

/// Durable on return: after a crash at any moment, every batch that was acknowledged is there, in order.
pub fn what_was_appended_survives_a_crash(harness: &impl Harness) {
    let mut log = harness.fresh();
    let mut expected = Vec::new();
    for number in 0..10 {
        let records = batch(number, number % 4 + 1);
        log.append(&records).expect("appended");
        expected.extend(records);
        if number % 3 == 0 {
            log = harness.after_a_crash(log);
        } else if number % 3 == 1 {
            log = harness.reopen(log);
        }
        assert_eq!(contents(&log), expected, "after batch {number}");
    }
}

/// A write that tore takes its whole batch with it and nothing before it, and appends go on from there.
pub fn a_torn_write_leaves_whole_batches(harness: &impl Harness) {
    const BATCHES: usize = 20;
    let log = harness.fresh();
    let batches: Vec<_> = (0..BATCHES).map(|number| batch(number, number % 5 + 1)).collect();
    for records in &batches {
        log.append(records).expect("appended");
    }
    let mut before = 0;
    for part in 0..=100 {
        let Some(torn) = harness.after_a_torn_write(&log, part) else { return };
        let found = contents(&torn);
        let whole = (0..=BATCHES).find(|count| batches[..*count].concat() == found);
        let whole = whole.unwrap_or_else(|| panic!("part of a batch, or not in order: {found:?}"));
        assert!(whole >= before, "{whole} batches of {part} parts, {before} of fewer");
        before = whole;
        torn.append(&batch(BATCHES, 2)).expect("appended");
        assert_eq!(contents(&torn), [&batches[..whole].concat()[..], &batch(BATCHES, 2)].concat());
    }
    assert_eq!(before, BATCHES);
}

/// Positions rise within a page, over pages, over appends and over a restart, and stay what they were.
pub fn positions_only_grow(harness: &impl Harness) {
    let log = harness.fresh();
    for number in 0..5 {
        log.append(&batch(number, 7)).expect("appended");
    }
    let before = read_all(&log, Position::default(), 3);
    assert_eq!(before.len(), 35);
    assert!(before[0].position > Position::default());
    assert!(before.windows(2).all(|pair| pair[0].position < pair[1].position));

    let log = harness.reopen(log);
    log.append(&batch(5, 1)).expect("appended");
    let after = read_all(&log, Position::default(), 1000);
    assert_eq!(after[..35], before);
    assert!(after[35].position > before[34].position);
}

/// Nothing is trimmed, decoded or repaired on the way.
pub fn bytes_come_back_exactly(harness: &impl Harness) {
    let log = harness.fresh();
    let records = [
        Bytes::new(),
        Bytes::from((0..=255).collect::<Vec<u8>>()),
        Bytes::from_static(b"\xff\xfe no text \0 at all"),
        Bytes::from_static("{\"ü\": \"\u{1F980}\"}\r\n ".as_bytes()),
        Bytes::from(vec![b'x'; crate::record::MAX_RECORD_BYTES]),
    ];
    log.append(&records).expect("appended");
    assert_eq!(contents(&log), records);
    let log = harness.after_a_crash(log);
    assert_eq!(contents(&log), records);
}

/// Whoever begins in the middle reads what whoever began at the start reads from there.
pub fn a_tail_from_any_point_is_the_same(harness: &impl Harness) {
    let log = harness.fresh();
    for number in 0..12 {
        log.append(&batch(number, 5)).expect("appended");
    }
    let all = read_all(&log, Position::default(), 1000);
    for (at, entry) in all.iter().enumerate() {
        assert_eq!(read_all(&log, entry.position, at % 7 + 1), all[at + 1..]);
    }
}

/// `max` is a limit, and a page that was cut by it is not at the tip. That nothing came after a page may be left for the
/// next one to say.
pub fn a_page_holds_at_most_what_was_asked_for(harness: &impl Harness) {
    let log = harness.fresh();
    log.append(&batch(0, 10)).expect("appended");
    for max in 0..12 {
        let page = log.read(Position::default(), max).expect("readable");
        assert_eq!(page.entries.len(), max.min(10));
        assert!(!page.at_tip || max >= 10, "asked for {max}");
        if max >= 10 && !page.at_tip {
            let last = page.entries.last().expect("ten").position;
            assert_eq!(log.read(last, max).expect("readable"), Page { entries: Vec::new(), at_tip: true });
        }
    }
}

/// An adapter may end a page before `max` records, but then it says that there is more.
pub fn large_pages_leave_nothing_out(harness: &impl Harness) {
    let log = harness.fresh();
    let records: Vec<_> = (0..24_u8).map(|number| Bytes::from(vec![number; 500_000])).collect();
    for batch in records.chunks(5) {
        log.append(batch).expect("appended");
    }
    assert_eq!(contents(&log), records);
}
