//! The events that are history, for whoever subscribes: a topic of its own beside the log.
//!
//! Written by the process that leads, in the order of the history, each event at least once. What a process left on the
//! wire when it was deposed may come late: who reads ignores a sequence that is not above the last one of its subject.

use super::{
    KafkaTarget, OpenError, Warning,
    append::{Appender, Outgoing},
    client::{self, Consumer, FetchWait, PATIENCE},
    topic::{self, Settings},
};
use crate::log::{AppendError, ReadError};
use bytes::Bytes;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
    message::{Header, Headers, OwnedHeaders},
};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// The header of an event's own sequence.
pub const SEQUENCE_HEADER: &str = "ce_sequence";
/// The header of what the event is from.
pub const SOURCE_HEADER: &str = "ce_source";
/// The header that says up to which sequence all events are on the topic.
const ALL_UNTIL_HEADER: &str = "mcpctl_all_until";

/// How far a topic of events is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Up to this sequence all events are there.
    pub all_until: u64,
    /// Where the newest of them come from: `ce_source`.
    pub source: String,
}

/// An event as subscribers get it: CloudEvents' binary mode for Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its sequence.
    pub sequence: u64,
    /// What it is about: events of one subject stay in order.
    pub subject: String,
    /// Its attributes, by the names of their headers, without the sequence.
    pub attributes: Vec<(&'static str, String)>,
    /// Its data.
    pub data: Bytes,
}

/// `<topic>.events`.
#[derive(Debug)]
pub struct KafkaEvents {
    target: KafkaTarget,
    appender: Mutex<Appender>,
}

impl KafkaEvents {
    /// Opens the topic beside a log; makes it if there is none: with one partition, and kept for ever, as the log is.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn beside(log: &KafkaTarget) -> Result<(Self, Vec<Warning>), OpenError> {
        let target = log.events();
        let warnings = topic::ensure(&target, &Settings::of_events())?;
        let appender = Mutex::new(Appender::new(&target));
        Ok((Self { target, appender }, warnings))
    }

    /// The topic.
    pub fn name(&self) -> &str {
        &self.target.topic
    }

    /// What the end of the topic says; `None` if there is nothing on it. Makes it if somebody has deleted it. Blocks.
    ///
    /// # Errors
    /// The brokers do not say.
    pub fn end(&self) -> Result<Option<End>, ReadError> {
        topic::ensure(&self.target, &Settings::of_events())
            .map_err(|error| ReadError { reason: error.to_string(), retryable: true })?;
        let failed = |error: KafkaError| ReadError { reason: error.to_string(), retryable: true };
        let consumer = client::consumer(&self.target, FetchWait::Long).map_err(failed)?;
        let topic = &self.target.topic;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(failed)?;
        let partitions = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
        let mut end = None::<End>;
        for partition in partitions {
            // Of a batch whose brokers were lost, the last may be there and the first not: what came before it is.
            let last = last_of(&self.target, partition.id()).map_err(failed)?;
            end = last.filter(|last| end.as_ref().is_none_or(|end| end.all_until < last.all_until)).or(end);
        }
        Ok(end)
    }

    /// Publishes events in order; all those before the first of them are on the topic. Blocks.
    ///
    /// # Errors
    /// Some of them may not be there: [`end`](Self::end) says which.
    pub fn publish(&self, events: &[Published]) -> Result<(), AppendError> {
        let Some(first) = events.first() else { return Ok(()) };
        let all_until = first.sequence.saturating_sub(1);
        let outgoing: Vec<_> = events.iter().map(|event| outgoing(event, all_until)).collect();
        let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        appender.append(outgoing).map(drop)
    }
}

fn outgoing(event: &Published, all_until: u64) -> Outgoing<'_> {
    let (sequence, all_until) = (event.sequence.to_string(), all_until.to_string());
    let own = [(SEQUENCE_HEADER, &sequence), (ALL_UNTIL_HEADER, &all_until)];
    let attributes = event.attributes.iter().map(|(name, value)| (*name, value));
    let headers = attributes
        .chain(own)
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    Outgoing { payload: &event.data, key: Some(&event.subject), headers: Some(headers), at: None }
}

/// Up to where all events are on the topic, as the last event of a partition says.
fn last_of(target: &KafkaTarget, partition: i32) -> KafkaResult<Option<End>> {
    let consumer = client::consumer(target, FetchWait::Long)?;
    let (first, end) = consumer.fetch_watermarks(&target.topic, partition, PATIENCE)?;
    let mut found = None;
    // What is found at the end may be somebody else's; brokers that speak of a batch by its first record have more behind it.
    let mut from = end;
    while found.is_none() && from > first {
        from = from.saturating_sub(BACK).max(first);
        found = read_from(&consumer, &target.topic, partition, from)?;
    }
    Ok(found)
}

/// Records that are looked through at once, from the end.
const BACK: i64 = 100;

fn read_from(consumer: &Consumer, topic: &str, partition: i32, from: i64) -> KafkaResult<Option<End>> {
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(topic, partition, Offset::Offset(from))?;
    consumer.assign(&at)?;
    let (mut last, deadline) = (None, Instant::now() + PATIENCE);
    loop {
        match consumer.poll(deadline.saturating_duration_since(Instant::now())) {
            Some(Ok(message)) => {
                let said = message.headers().and_then(|headers| {
                    let text = |key| {
                        let header = headers.iter().find(|header| header.key == key)?;
                        std::str::from_utf8(header.value?).ok()
                    };
                    let source = text(SOURCE_HEADER)?.to_owned();
                    Some(End { all_until: text(ALL_UNTIL_HEADER)?.parse().ok()?, source })
                });
                last = said.or(last);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                consumer.unassign()?;
                return Ok(last);
            }
            Some(Err(error)) => return Err(error),
            None => {
                return Err(KafkaError::MessageConsumption(rdkafka::types::RDKafkaErrorCode::OperationTimedOut));
            }
        }
    }
}
