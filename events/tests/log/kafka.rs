//! The log in a Kafka topic passes the suite, against a broker; and what a broker may do to a log is found.

mod faults;
mod topics;

use bytes::Bytes;
use mcpctl_events::log::{
    AppendError, EventLog, Page, Position, ReadError,
    conformance::{Harness, batch, read_all},
    kafka::{KafkaLog, KafkaTarget},
};
use mcpctl_tests::kafka::Kafka as Broker;
use std::{
    fs::{self, DirEntry},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A log, and where it is.
struct InTopic {
    log: KafkaLog,
    target: KafkaTarget,
}

impl InTopic {
    fn open(target: KafkaTarget) -> Self {
        let (log, _) = KafkaLog::open(&target).unwrap();
        Self { log, target }
    }
}

impl EventLog for InTopic {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        self.log.append(records)
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        self.log.read(after, max)
    }

    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        self.log.wait(after, timeout)
    }
}

struct Kafka {
    broker: Broker,
    topics: AtomicU32,
}

impl Default for Kafka {
    fn default() -> Self {
        Self { broker: Broker::start(), topics: AtomicU32::new(0) }
    }
}

impl Harness for Kafka {
    type Log = InTopic;

    fn fresh(&self) -> InTopic {
        let topic = format!("log-{}", self.topics.fetch_add(1, Ordering::Relaxed));
        InTopic::open(self.broker.log(&topic).parse().unwrap())
    }

    /// A client that dies leaves nothing behind that the brokers do not hold.
    fn after_a_crash(&self, log: InTopic) -> InTopic {
        let InTopic { log, target } = log;
        std::mem::forget(log);
        InTopic::open(target)
    }

    fn after_a_torn_write(&self, _: &InTopic, _: usize) -> Option<InTopic> {
        None
    }

    fn second_appender(&self, _: &InTopic) -> Option<Result<InTopic, String>> {
        None
    }

    fn reopen(&self, log: InTopic) -> InTopic {
        InTopic::open(log.target)
    }

    fn set_disk_full(&self, _: &InTopic, _: bool) -> bool {
        false
    }
}

mcpctl_events::conformance!(Kafka::default());

/// Clients of this process that are alive, each of which has one such thread.
fn clients() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |thread: &DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
    threads.filter(|thread| name(thread).trim() == "rdk:main").count()
}

#[test]
fn consumers_that_nobody_uses_are_given_up() {
    let kafka = Kafka::default();
    let log = kafka.fresh();
    log.append(&batch(0, 1)).unwrap();
    let end = read_all(&log, Position::default(), 10)[0].position;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| log.wait(end, Duration::from_millis(500)).unwrap());
        }
    });
    let (most, deadline) = (clients(), Instant::now() + Duration::from_secs(20));
    while clients() > most - 3 {
        assert!(Instant::now() < deadline, "{} of {most} are left", clients());
        assert!(log.read(end, 1).unwrap().at_tip);
    }
}

#[test]
fn reads_at_any_place_are_what_was_appended() {
    let kafka = Kafka::default();
    let log = kafka.fresh();
    let records = 3000;
    for first in 0..records / 100 {
        log.append(&batch(first, 100)).unwrap();
    }
    let all = read_all(&log, Position::default(), 500);
    assert_eq!(all.len(), records);
    // Forward by little, forward by much, and back.
    for place in
        [0, 1, 5, 40, 30, 1200, 2500, 2501, 2999, 2998, 0, 999, 2000].into_iter().chain((0..records).step_by(97))
    {
        let after = place.checked_sub(1).map_or(Position::default(), |before| all[before].position);
        let page = log.read(after, 1).unwrap();
        assert_eq!(page.entries, all[place..=place], "{place}");
        assert!(!page.at_tip || place + 1 == records, "{place}");
    }
    assert_eq!(log.read(all[records - 1].position, 1).unwrap(), Page { entries: Vec::new(), at_tip: true });
}
