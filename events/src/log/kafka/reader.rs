//! One consumer at one place of a partition.

use super::{
    KafkaTarget,
    client::{Consumer, FetchWait, PATIENCE, consumer},
};
use crate::log::{Entry, Position, ReadError};
use bytes::Bytes;
use rdkafka::{
    Message, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode,
};
use std::time::Duration;

/// How long a record may take that is at hand.
const AT_HAND: Duration = Duration::from_millis(5);

/// What a poll brought.
pub(super) enum Polled {
    /// The next record.
    Record(Entry),
    /// At some moment since [`Reader::begin_anew`] nothing was there after the last record.
    End,
    /// Nothing in time.
    Nothing,
    /// There is no such offset.
    Outside,
}

/// A consumer, and where it is.
pub(super) struct Reader {
    consumer: Consumer,
    topic: String,
    /// The offset that comes next; none before the first [`begin_anew`](Self::begin_anew).
    next: Option<u64>,
    /// A record that was taken and not read.
    ahead: Option<Entry>,
    is_assigned: bool,
}

impl Reader {
    pub(super) fn connect(target: &KafkaTarget, wait: FetchWait) -> Result<Self, ReadError> {
        let consumer = consumer(target, wait).map_err(|error| retryable(error.to_string()))?;
        Ok(Self { consumer, topic: target.topic.clone(), next: None, ahead: None, is_assigned: false })
    }

    /// The first offset that is kept, and the one after the last.
    pub(super) fn bounds(&self) -> Result<(u64, u64), ReadError> {
        let bounds = self.consumer.fetch_watermarks(&self.topic, 0, PATIENCE);
        let (low, high) = bounds.map_err(|error| self.failed(&error))?;
        Ok((low.unsigned_abs(), high.unsigned_abs()))
    }

    /// The first offset at or after a time, in milliseconds; none if there is none.
    pub(super) fn first_at(&self, time: i64) -> Result<Option<u64>, ReadError> {
        let at = self.place(Offset::Offset(time))?;
        let found = self.consumer.offsets_for_times(at, PATIENCE).map_err(|error| self.failed(&error))?;
        let offset = found.find_partition(&self.topic, 0).map(|partition| partition.offset());
        Ok(if let Some(Offset::Offset(offset)) = offset { u64::try_from(offset).ok() } else { None })
    }

    /// The offset that a read would begin with.
    pub(super) fn at(&self) -> Option<u64> {
        self.ahead.as_ref().map(|entry| entry.position.0 - 1).or(self.next)
    }

    /// Asks the broker for what comes at an offset. Whatever it was asked before is forgotten, so that an end that is
    /// found from now on is the end of now.
    pub(super) fn begin_anew(&mut self, offset: u64) -> Result<(), ReadError> {
        let place = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        // A partition is assigned once in a consumer's life: librdkafka aborts if it is assigned anew before it began.
        let begun = if self.is_assigned {
            self.consumer.seek(&self.topic, 0, place, PATIENCE)
        } else {
            self.consumer.assign(&self.place(place)?)
        };
        begun.map_err(|error| self.failed(&error))?;
        (self.next, self.ahead, self.is_assigned) = (Some(offset), None, true);
        Ok(())
    }

    /// Passes over the records before an offset, as far as they are at hand.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<(), ReadError> {
        while self.at().is_some_and(|at| at < offset) {
            match self.take(AT_HAND)? {
                Polled::Record(entry) if entry.position.0 > offset => {
                    self.put_back(entry);
                    return Ok(());
                }
                Polled::Record(_) => {}
                Polled::End | Polled::Nothing | Polled::Outside => return Ok(()),
            }
        }
        Ok(())
    }

    /// Leaves a record to the next read.
    pub(super) fn put_back(&mut self, entry: Entry) {
        self.ahead = Some(entry);
    }

    /// Takes the next record, or learns that there is none.
    pub(super) fn take(&mut self, timeout: Duration) -> Result<Polled, ReadError> {
        if let Some(entry) = self.ahead.take() {
            return Ok(Polled::Record(entry));
        }
        match self.consumer.poll(timeout) {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                let offset = message.offset().unsigned_abs();
                let bytes = Bytes::copy_from_slice(message.payload().unwrap_or_default());
                self.next = Some(offset + 1);
                Ok(Polled::Record(Entry { position: Position(offset + 1), bytes }))
            }
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Polled::End),
            Some(Err(error)) if is_outside(&error) => {
                self.next = None;
                Ok(Polled::Outside)
            }
            Some(Err(error)) => Err(self.failed(&error)),
        }
    }

    fn place(&self, offset: Offset) -> Result<TopicPartitionList, ReadError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, offset).map_err(|error| self.failed(&error))?;
        Ok(list)
    }

    fn failed(&self, error: &KafkaError) -> ReadError {
        retryable(self.consumer.context().explain(error))
    }
}

fn is_outside(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset))
}

pub(super) fn retryable(reason: String) -> ReadError {
    ReadError { reason, retryable: true }
}
