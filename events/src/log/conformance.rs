//! The suite that every adapter passes: [`EventLog`]'s contract, sentence by sentence.
//!
//! An adapter's test implements [`Harness`] and calls [`conformance!`](crate::conformance) once.
#![expect(clippy::missing_panics_doc, reason = "every function here is a test")]

mod at_once;
mod content;
mod space;

pub use at_once::{
    appenders_do_not_mix, the_tip_is_true_while_others_append, wait_is_woken_by_an_append, wait_returns_in_time,
};
pub use content::{
    a_log_is_empty_at_first, a_page_holds_at_most_what_was_asked_for, a_tail_from_any_point_is_the_same,
    a_torn_write_leaves_whole_batches, bytes_come_back_exactly, large_pages_leave_nothing_out, positions_only_grow,
    what_was_appended_survives_a_crash,
};
pub use space::{a_full_disk_refuses_whole_batches_and_reads_go_on, a_second_appender_is_refused};

use super::{Entry, EventLog, Position};
use bytes::Bytes;

/// Makes logs of one adapter.
pub trait Harness: Sync {
    /// The adapter.
    type Log: EventLog;

    /// A new, empty log.
    fn fresh(&self) -> Self::Log;

    /// What is found of `log` after its process was killed at this moment.
    fn after_a_crash(&self, log: Self::Log) -> Self::Log;

    /// What is found of `log` after the machine died within a write: only `part` of 100 of what an append leaves behind
    /// reached the disk. `None` if the adapter has no disk.
    fn after_a_torn_write(&self, log: &Self::Log, part: usize) -> Option<Self::Log>;

    /// Opens `log` once more to append to it, while it is open; `None` if the adapter allows that.
    fn second_appender(&self, log: &Self::Log) -> Option<Result<Self::Log, String>>;

    /// Closes `log` and opens it again.
    fn reopen(&self, log: Self::Log) -> Self::Log;

    /// Leaves little or no space to write to, or gives it back; `false` if the adapter has no disk.
    fn set_disk_full(&self, log: &Self::Log, full: bool) -> bool;
}

/// Everything after `after`, in pages of `max`.
pub fn read_all(log: &impl EventLog, after: Position, max: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let from = entries.last().map_or(after, |entry| entry.position);
        let page = log.read(from, max).expect("the log can be read");
        assert!(page.at_tip || !page.entries.is_empty(), "an empty page is at the tip");
        entries.extend(page.entries);
        if page.at_tip {
            return entries;
        }
    }
}

/// The bytes of everything on the log.
pub fn contents(log: &impl EventLog) -> Vec<Bytes> {
    read_all(log, Position::default(), 1000).into_iter().map(|entry| entry.bytes).collect()
}

/// A batch of records that are told apart by `batch` and their place in it.
pub fn batch(batch: usize, records: usize) -> Vec<Bytes> {
    (0..records).map(|at| Bytes::from(format!("record {at} of batch {batch}"))).collect()
}

/// Makes one test of each function of the suite. Takes an expression that makes the [`Harness`].
#[macro_export]
macro_rules! conformance {
    ($harness:expr) => {
        $crate::conformance!($harness;
            a_log_is_empty_at_first, what_was_appended_survives_a_crash, a_torn_write_leaves_whole_batches,
            positions_only_grow, bytes_come_back_exactly,
            a_tail_from_any_point_is_the_same, a_page_holds_at_most_what_was_asked_for, large_pages_leave_nothing_out,
            the_tip_is_true_while_others_append, appenders_do_not_mix, wait_is_woken_by_an_append,
            wait_returns_in_time, a_second_appender_is_refused, a_full_disk_refuses_whole_batches_and_reads_go_on,
        );
    };
    ($harness:expr; $($test:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                $crate::log::conformance::$test(&$harness);
            }
        )+
    };
}
