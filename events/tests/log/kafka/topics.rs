//! What a topic must be, what is made of none, and what is noticed when it changes.

use crate::kafka::Broker;
use bytes::Bytes;
use futures_executor::block_on;
use mcpctl_events::{
    heartbeat::{HeartbeatStream, Heartbeats, VERSION},
    log::{
        EventLog, Position,
        kafka::{KafkaHeartbeats, KafkaLog, KafkaTarget, OpenError},
    },
    name::SessionId,
    time::LogTime,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use std::{collections::BTreeMap, thread, time::Duration};
use uuid::Uuid;

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &broker.broker).create().unwrap()
}

fn make(broker: &Broker, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    block_on(admin(broker).create_topics([&new], &AdminOptions::new())).unwrap().pop().unwrap().unwrap();
}

fn target(broker: &Broker, topic: &str) -> KafkaTarget {
    broker.log(topic).parse().unwrap()
}

#[test]
fn a_topic_that_is_not_there_is_made_once_by_however_many_want_it() {
    let broker = Broker::start();
    let target = target(&broker, "reg");
    thread::scope(|scope| {
        for number in 0..4_u8 {
            let target = &target;
            scope.spawn(move || {
                let (log, _) = KafkaLog::open(target).unwrap();
                log.append(&[Bytes::from(vec![number])]).unwrap();
            });
        }
    });
    let (log, _) = KafkaLog::open(&target).unwrap();
    let mut found: Vec<_> = log.read(Position::default(), 10).unwrap().entries;
    found.sort_by_key(|entry| entry.bytes[0]);
    assert_eq!(found.iter().map(|entry| entry.bytes[0]).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_topic_that_would_lose_records_is_refused_with_all_that_is_wrong() {
    let broker = Broker::start();
    make(&broker, "wide", 2, &[]);
    let refused = KafkaLog::open(&target(&broker, "wide")).unwrap_err();
    assert!(matches!(refused, OpenError::Unfit { .. }), "{refused}");
    assert!(refused.to_string().contains("it has 2 partitions, and must have one"), "{refused}");

    make(
        &broker,
        "short",
        1,
        &[("cleanup.policy", "compact"), ("retention.ms", "1000"), ("max.message.bytes", "1000")],
    );
    let refused = KafkaLog::open(&target(&broker, "short")).unwrap_err().to_string();
    for problem in [
        "topic short cannot hold a history",
        "cleanup.policy is compact, and must be delete",
        "retention.ms is 1000, and must be -1",
        "max.message.bytes is 1000, and must be 1048576 or more",
    ] {
        assert!(refused.contains(problem), "{refused}");
    }
}

#[test]
fn nobody_there_is_said_so() {
    let target: KafkaTarget = "kafka://127.0.0.1:1/reg".parse().unwrap();
    let refused = KafkaLog::open(&target).unwrap_err();
    assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused}");
    let way_out = "the brokers cannot be reached: are they up, and is 127.0.0.1:1 where they are reached?";
    assert_eq!(refused.to_string(), way_out);
}

#[test]
fn who_only_reads_makes_no_topic() {
    let broker = Broker::start();
    let target = target(&broker, "typo");
    for _ in 0..2 {
        let refused = KafkaLog::open_existing(&target).unwrap_err().to_string();
        assert_eq!(refused, "there is no topic typo: a server makes it at its first start");
    }
    KafkaLog::open(&target).unwrap();
    KafkaLog::open_existing(&target).unwrap();
}

#[test]
fn a_log_that_was_made_anew_is_not_taken_for_the_one_that_was_read() {
    let mut broker = Broker::start();
    let target = target(&broker, "reg");
    let (log, _) = KafkaLog::open(&target).unwrap();
    log.append(&[Bytes::from_static(b"one"), Bytes::from_static(b"two")]).unwrap();
    assert_eq!(log.read(Position::default(), 10).unwrap().entries.len(), 2);
    broker.kill();
    assert!(log.read(Position(2), 10).unwrap_err().retryable, "it may come back");
    broker.start_again();
    // The client finds out at its own time that the broker is back.
    let missing = (0..100).find_map(|_| {
        let error = log.read(Position(2), 10).unwrap_err();
        thread::sleep(Duration::from_millis(50));
        assert!(error.retryable, "a broker that starts may find it: {error}");
        error.reason.contains("the brokers have no such topic").then_some(())
    });
    assert!(missing.is_some(), "{}", log.read(Position(2), 10).unwrap_err());
    let (new, _) = KafkaLog::open(&target).unwrap();
    new.append(&[Bytes::from_static(b"other")]).unwrap();
    let lost = (0..100).find_map(|_| {
        let error = log.read(Position(2), 10).unwrap_err();
        thread::sleep(Duration::from_millis(50));
        (!error.retryable).then_some(error)
    });
    let lost = lost.unwrap().to_string();
    assert!(
        lost.contains("topic reg was read up to offset 2, and ends before that: it was cut, or made anew"),
        "{lost}"
    );
}

#[test]
fn heartbeats_have_a_topic_of_their_own() {
    let broker = Broker::start();
    let log = target(&broker, "reg");
    let (stream, _) = KafkaHeartbeats::beside(&log, Duration::from_hours(24)).unwrap();
    let now = LogTime::from_millis(1_800_000_000_000);
    let heard = |seconds: u64| Heartbeats {
        v: VERSION,
        log_id: Uuid::from_u128(1),
        term: 1,
        writer: Uuid::from_u128(2),
        decided_at: now.plus(Duration::from_secs(seconds)),
        sessions: BTreeMap::from([(SessionId::parse("s").unwrap(), now.plus(Duration::from_secs(seconds)))]),
    };
    for seconds in [0, 10, 20] {
        assert_eq!(stream.append(&heard(seconds)).unwrap(), seconds / 10 + 1);
    }
    let read = stream.read(0, 10).unwrap();
    assert_eq!(read.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(read[1].heartbeats, heard(10));
    assert_eq!(
        (stream.read(2, 10).unwrap().len(), stream.read(3, 10).unwrap().len(), stream.floor().unwrap()),
        (1, 0, 0)
    );
    let before = |seconds| stream.before(now.plus(Duration::from_secs(seconds))).unwrap();
    assert_eq!([before(0), before(5), before(10), before(21)], [0, 1, 1, 3]);
}
