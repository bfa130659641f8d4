//! The log in a Kafka topic of one partition.
//!
//! Any number of processes append and read; which of them leads is for admission to say. A record's position is the
//! offset after it: the topic's first offset comes after the default position. Offsets never leave this folder.

mod append;
mod client;
mod events;
mod heartbeats;
mod partition;
mod reader;
mod target;
mod topic;

pub use events::{End, KafkaEvents, Published, SEQUENCE_HEADER, SOURCE_HEADER};
pub use heartbeats::KafkaHeartbeats;
pub use target::{KafkaTarget, TargetError};
pub use topic::{OpenError, Warning};

use self::{
    append::{Appender, Outgoing},
    partition::Partition,
    topic::Settings,
};
use super::{AppendError, EventLog, Page, Position, ReadError};
use bytes::Bytes;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A log in a Kafka topic.
///
/// Reads never wait for appends. What the broker has lost is told, never passed over: a history that begins late, ends
/// before what was read, or has a hole.
#[derive(Debug)]
pub struct KafkaLog {
    partition: Partition,
    appender: Mutex<Appender>,
}

impl KafkaLog {
    /// Opens the log: makes its topic if there is none, and checks it if there is. What could not be checked is a
    /// warning.
    ///
    /// # Errors
    /// If no broker answers, or the topic would not keep a history.
    pub fn open(target: &KafkaTarget) -> Result<(Self, Vec<Warning>), OpenError> {
        let warnings = topic::ensure(target, &Settings::of_a_log())?;
        Ok((Self::of(target, Appender::prepared(target)), warnings))
    }

    /// Opens a log that is there.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if there is no topic.
    pub fn open_existing(target: &KafkaTarget) -> Result<(Self, Vec<Warning>), OpenError> {
        let warnings = topic::look(target, &Settings::of_a_log())?;
        Ok((Self::of(target, Appender::new(target)), warnings))
    }

    /// Has the first append wait for nothing but the brokers' answer.
    #[must_use]
    pub fn prepared(self, target: &KafkaTarget) -> Self {
        Self { appender: Mutex::new(Appender::prepared(target)), ..self }
    }

    fn of(target: &KafkaTarget, appender: Appender) -> Self {
        Self { partition: Partition::of_a_log(target), appender: Mutex::new(appender) }
    }
}

impl EventLog for KafkaLog {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        // An append that panicked leaves a producer that is as good as any.
        let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        appender.append(records.iter().map(|record| Outgoing::of(record)).collect()).map(drop)
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        self.partition.read(after, max)
    }

    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        self.partition.wait(after, timeout)
    }
}
