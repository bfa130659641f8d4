//! The log in memory passes the suite. It is as durable as its process, and it has no disk.

use mcpctl_events::log::{conformance::Harness, memory::MemoryLog};

struct Memory;

impl Harness for Memory {
    type Log = MemoryLog;

    fn fresh(&self) -> MemoryLog {
        MemoryLog::default()
    }

    fn after_a_crash(&self, log: MemoryLog) -> MemoryLog {
        log
    }

    fn after_a_torn_write(&self, _: &MemoryLog, _: usize) -> Option<MemoryLog> {
        None
    }

    fn second_appender(&self, _: &MemoryLog) -> Option<Result<MemoryLog, String>> {
        None
    }

    fn reopen(&self, log: MemoryLog) -> MemoryLog {
        MemoryLog::from_records(log.records())
    }

    fn set_disk_full(&self, _: &MemoryLog, _: bool) -> bool {
        false
    }
}

mcpctl_events::conformance!(Memory);
