//! One appender, and a disk that ends.

use super::{Harness, batch, contents};
use crate::log::{AppendError, EventLog};
use bytes::Bytes;

/// Where the adapter holds the log to one appender, a second one fails at once, and says who has it.
pub fn a_second_appender_is_refused(harness: &impl Harness) {
    let log = harness.fresh();
    log.append(&batch(0, 1)).expect("appended");
    let Some(second) = harness.second_appender(&log) else { return };
    let message = second.err().expect("refused");
    assert!(message.contains(&std::process::id().to_string()), "{message}");

    log.append(&batch(1, 1)).expect("the first one is not disturbed");
    let log = harness.reopen(log);
    log.append(&batch(2, 1)).expect("free again");
    assert_eq!(contents(&log).len(), 3);
}

/// A full disk takes nothing of a batch, reads go on, and so do appends once there is space.
pub fn a_full_disk_refuses_whole_batches_and_reads_go_on(harness: &impl Harness) {
    let log = harness.fresh();
    log.append(&batch(0, 3)).expect("appended");
    if !harness.set_disk_full(&log, true) {
        return;
    }
    let mut expected = batch(0, 3);
    let large: Vec<Bytes> = (0..8).map(|number| Bytes::from(vec![number; 20_000])).collect();
    for _ in 0..3 {
        assert!(matches!(log.append(&large), Err(AppendError::DiskFull(_))));
        assert_eq!(contents(&log), expected, "all or nothing");
    }
    assert!(harness.set_disk_full(&log, false));
    log.append(&large).expect("space is back");
    expected.extend(large);
    assert_eq!(contents(&log), expected);
    let log = harness.after_a_crash(log);
    assert_eq!(contents(&log), expected, "what was refused does not come back");
}
