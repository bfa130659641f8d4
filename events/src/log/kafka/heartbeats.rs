//! The heartbeat stream in a topic of its own, which the brokers keep for a while.

use super::{
    KafkaTarget, OpenError, Warning,
    append::{Appender, Outgoing},
    partition::Partition,
    topic::{self, Settings},
};
use crate::{
    heartbeat::{HeartbeatEntry, HeartbeatStream, Heartbeats},
    log::{AppendError, Position, ReadError},
    time::LogTime,
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Records that are looked through at once for a time.
const PAGE: usize = 1000;

/// `<topic>.heartbeats`.
#[derive(Debug)]
pub struct KafkaHeartbeats {
    partition: Partition,
    appender: Mutex<Appender>,
}

impl KafkaHeartbeats {
    /// Opens the stream beside a log; makes its topic, which keeps records for `retention`, if there is none.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn beside(log: &KafkaTarget, retention: Duration) -> Result<(Self, Vec<Warning>), OpenError> {
        let target = log.heartbeats();
        let warnings = topic::ensure(&target, &Settings::of_heartbeats(retention))?;
        let stream =
            Self { partition: Partition::of_heartbeats(&target), appender: Mutex::new(Appender::prepared(&target)) };
        Ok((stream, warnings))
    }

    /// Opens the stream beside a log for those who only listen; `None` if there is none.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn listen(log: &KafkaTarget) -> Result<Option<Self>, OpenError> {
        let target = log.heartbeats();
        match topic::look(&target, &Settings::of_heartbeats(Duration::ZERO)) {
            Err(OpenError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
            // How long its records are kept is for those to say who write them.
            Ok(_) => {
                let appender = Mutex::new(Appender::new(&target));
                Ok(Some(Self { partition: Partition::of_heartbeats(&target), appender }))
            }
        }
    }

    /// The sequence of its last record.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn end(&self) -> Result<u64, ReadError> {
        Ok(self.partition.kept()?.1)
    }
}

impl HeartbeatStream for KafkaHeartbeats {
    fn append(&self, heartbeats: &Heartbeats) -> Result<u64, AppendError> {
        let record = serde_json::to_vec(heartbeats).map_err(|error| AppendError::NotWritten(error.to_string()))?;
        let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        let outgoing = Outgoing { at: Some(heartbeats.decided_at.as_millis()), ..Outgoing::of(&record) };
        let offset = appender.append(vec![outgoing])?;
        Ok(offset + 1)
    }

    fn read(&self, after: u64, max: usize) -> Result<Vec<HeartbeatEntry>, ReadError> {
        let mut after = Position(after);
        loop {
            let page = self.partition.read(after, max)?;
            let Some(last) = page.entries.last() else { return Ok(Vec::new()) };
            after = last.position;
            let read = page.entries.iter().filter_map(|entry| {
                // What is no record of heartbeats is somebody else's.
                let heartbeats = serde_json::from_slice(&entry.bytes).ok()?;
                Some(HeartbeatEntry { sequence: entry.position.0, heartbeats })
            });
            let read: Vec<_> = read.collect();
            if !read.is_empty() || page.at_tip {
                return Ok(read);
            }
        }
    }

    fn floor(&self) -> Result<u64, ReadError> {
        Ok(self.partition.kept()?.0)
    }

    fn before(&self, time: LogTime) -> Result<u64, ReadError> {
        // Brokers know the time of a segment, and some of them none.
        let mut before = self.partition.first_at(time.as_millis())?;
        loop {
            let page = self.read(before, PAGE)?;
            let earlier = page.iter().take_while(|entry| entry.heartbeats.decided_at < time).last();
            before = earlier.map_or(before, |entry| entry.sequence);
            if page.last().is_none_or(|last| last.sequence != before) {
                return Ok(before);
            }
        }
    }

    /// The brokers do that, by the topic's `retention.ms`.
    fn forget(&self, _: LogTime) -> Result<(), AppendError> {
        Ok(())
    }
}
