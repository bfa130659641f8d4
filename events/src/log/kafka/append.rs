//! Appending: a batch is handed over in order, and waited for as a whole.

use super::{
    KafkaTarget,
    client::{self, Context},
};
use crate::{log::AppendError, record::MAX_RECORD_BYTES};
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, KafkaResult},
    message::{DeliveryResult, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// How long a record may take to the brokers.
const DELIVERY: Duration = Duration::from_secs(8);
/// How much longer its outcome is waited for.
const GRACE: Duration = Duration::from_secs(2);
/// Room for a record and what Kafka puts around it.
const MAX_MESSAGE_BYTES: usize = MAX_RECORD_BYTES + (64 << 10);

/// One producer at a time. After a doubt it is given up, and what it still holds with it; what it left on the wire may
/// land all the same.
pub(super) struct Appender {
    target: KafkaTarget,
    producer: Option<Box<ThreadedProducer<Deliveries>>>,
}

/// How far the records of a batch are.
#[derive(Debug)]
struct Batch {
    fate: Mutex<Fate>,
    settled: Condvar,
}

#[derive(Debug)]
struct Fate {
    open: usize,
    failed: Option<KafkaError>,
    last: i64,
}

impl Batch {
    fn of(records: usize) -> Self {
        Self { fate: Mutex::new(Fate { open: records, failed: None, last: -1 }), settled: Condvar::new() }
    }

    fn settle(&self, fate: impl FnOnce(&mut Fate)) {
        let mut known = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        fate(&mut known);
        known.open -= 1;
        if known.open == 0 {
            self.settled.notify_all();
        }
    }

    /// Waits until it is known what became of all of them; the offset of the last one.
    fn wait(&self, context: &Context) -> Result<u64, AppendError> {
        let known = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.settled.wait_timeout_while(known, DELIVERY + GRACE, |known| known.open > 0);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &known.failed {
            Some(error) => Err(AppendError::Unknown(context.explain(error))),
            None if known.open > 0 => Err(AppendError::Unknown("the brokers did not answer in time".to_owned())),
            None => Ok(known.last.unsigned_abs()),
        }
    }
}

/// Takes note of what became of each record.
#[derive(Debug, Clone, Default)]
struct Deliveries(Context);

impl ClientContext for Deliveries {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        batch.settle(|fate| match result {
            Ok(message) => fate.last = fate.last.max(message.offset()),
            Err((error, _)) => drop(fate.failed.get_or_insert_with(|| error.clone())),
        });
    }
}

impl Appender {
    /// Connects with its first append.
    pub(super) fn new(target: &KafkaTarget) -> Self {
        Self { target: target.clone(), producer: None }
    }

    /// Connects at once: a producer has its number from the brokers half a second after it was made, and until then
    /// nothing is appended.
    pub(super) fn prepared(target: &KafkaTarget) -> Self {
        let mut it = Self::new(target);
        it.producer = it.connect().ok();
        it
    }

    /// Appends a batch; the offset of the last record.
    pub(super) fn append(&mut self, records: Vec<Outgoing<'_>>) -> Result<u64, AppendError> {
        if records.is_empty() {
            return Ok(0);
        }
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.connect().map_err(|error| AppendError::NotWritten(error.to_string()))?,
        };
        let appended = append(&producer, &self.target.topic, records);
        // One that failed is not used again; the next one is ready when it is needed.
        self.producer = if appended.is_ok() { Some(producer) } else { self.connect().ok() };
        appended
    }

    fn connect(&self) -> KafkaResult<Box<ThreadedProducer<Deliveries>>> {
        let mut config = client::config(&self.target);
        for (key, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "0"),
            ("message.timeout.ms", &DELIVERY.as_millis().to_string()),
            ("message.max.bytes", &MAX_MESSAGE_BYTES.to_string()),
            // The one that all other clients have.
            ("partitioner", "murmur2_random"),
        ] {
            config.set(key, value);
        }
        config.create_with_context(Deliveries::default()).map(Box::new)
    }
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A record on its way.
pub(super) struct Outgoing<'a> {
    pub payload: &'a [u8],
    /// Decides on the partition; without one it is the first.
    pub key: Option<&'a str>,
    pub headers: Option<OwnedHeaders>,
    /// Its time in milliseconds, where that is not when it is appended.
    pub at: Option<i64>,
}

impl<'a> Outgoing<'a> {
    /// A record of a topic that has one partition.
    pub(super) fn of(payload: &'a [u8]) -> Self {
        Self { payload, key: None, headers: None, at: None }
    }
}

fn append(
    producer: &ThreadedProducer<Deliveries>,
    topic: &str,
    records: Vec<Outgoing<'_>>,
) -> Result<u64, AppendError> {
    let context = producer.context().0.clone();
    let batch = Arc::new(Batch::of(records.len()));
    for (index, record) in records.into_iter().enumerate() {
        let mut message = BaseRecord::<str, [u8], _>::with_opaque_to(topic, batch.clone()).payload(record.payload);
        message = match record.key {
            Some(key) => message.key(key),
            None => message.partition(0),
        };
        (message.headers, message.timestamp) = (record.headers, record.at);
        if let Err((error, _)) = producer.send(message) {
            let reason = context.explain(&error);
            return Err(if index == 0 { AppendError::NotWritten(reason) } else { AppendError::Unknown(reason) });
        }
    }
    batch.wait(&context)
}
