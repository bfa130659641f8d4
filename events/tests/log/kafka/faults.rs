//! Brokers that answer late, wrongly or not at all: librdkafka's own mock of them.

use bytes::Bytes;
use mcpctl_events::log::{
    AppendError, EventLog, Position,
    kafka::{KafkaLog, KafkaTarget},
};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use std::time::{Duration, Instant};

type Mock = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "reg";

fn log() -> (Mock, KafkaLog) {
    let mock = MockCluster::new(3).unwrap();
    mock.create_topic(TOPIC, 1, 3).unwrap();
    let target = KafkaTarget { brokers: mock.bootstrap_servers(), topic: TOPIC.to_owned() };
    let (log, _) = KafkaLog::open(&target).unwrap();
    (mock, log)
}

fn record(number: usize) -> Bytes {
    format!("record {number}").into()
}

fn contents(log: &KafkaLog) -> Vec<Bytes> {
    let mut found: Vec<Bytes> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = match log.read(Position(found.len() as u64), 100) {
            // What may pass passes.
            Err(error) if error.retryable && Instant::now() < deadline => continue,
            page => page.unwrap(),
        };
        found.extend(page.entries.into_iter().map(|entry| entry.bytes));
        if page.at_tip {
            return found;
        }
    }
}

#[test]
fn what_passes_by_itself_loses_nothing() {
    use RDKafkaRespErr as Error;
    let (mock, log) = log();
    let mut expected = Vec::new();
    let passing = [
        Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Error::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Error::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Error::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    ];
    for (number, error) in passing.into_iter().enumerate() {
        mock.request_errors(RDKafkaApiKey::Produce, &[error]);
        mock.request_errors(RDKafkaApiKey::Fetch, &[error]);
        log.append(&[record(number)]).unwrap();
        expected.push(record(number));
        assert_eq!(contents(&log), expected, "after {error:?}");
    }
}

#[test]
fn a_leader_that_moves_is_followed() {
    let (mock, log) = log();
    let mut expected = Vec::new();
    for number in 0..6 {
        mock.partition_leader(TOPIC, 0, Some(i32::try_from(number % 3 + 1).unwrap())).unwrap();
        log.append(&[record(number)]).unwrap();
        expected.push(record(number));
        assert_eq!(contents(&log), expected);
    }
}

#[test]
fn what_a_broker_refuses_for_good_has_an_unknown_outcome_and_the_next_append_goes_on() {
    let (mock, log) = log();
    log.append(&[record(0)]).unwrap();
    mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let refused = log.append(&[record(1)]).unwrap_err();
    assert!(matches!(&refused, AppendError::Unknown(reason) if reason.contains("authorization")), "{refused}");
    log.append(&[record(2)]).unwrap();
    assert_eq!(contents(&log), [record(0), record(2)]);
}

#[test]
fn brokers_that_are_gone_are_doubted_in_time_and_found_again() {
    let (mock, log) = log();
    log.append(&[record(0)]).unwrap();
    assert_eq!(contents(&log).len(), 1);
    for broker in 1..=3 {
        mock.broker_down(broker).unwrap();
    }
    let begin = Instant::now();
    assert!(matches!(log.append(&[record(1)]).unwrap_err(), AppendError::Unknown(_)));
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert!(log.read(Position(1), 10).unwrap_err().retryable);
    for broker in 1..=3 {
        mock.broker_up(broker).unwrap();
    }
    log.append(&[record(2)]).unwrap();
    let found = contents(&log);
    // What was given up on may have landed; admission judges it.
    assert!(found == [record(0), record(2)] || found == [record(0), record(1), record(2)], "{found:?}");
}
