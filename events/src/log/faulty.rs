//! A log whose appends go wrong as told, for the tests of those who append.

use super::{AppendError, EventLog, Page, Position, ReadError};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How an append goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Reports success and writes nothing.
    Lost,
    /// Reports success; the batch lands with [`FaultyLog::land_late`].
    Late,
    /// Reports success and writes the batch twice.
    Duplicated,
    /// Reports success and writes the first half of the last record's bytes in its place.
    Torn,
    /// Reports `NotWritten`, truly.
    NotWritten,
    /// Reports `DiskFull`, truly.
    DiskFull,
    /// Reports `Unknown` after writing this many records.
    Unknown(usize),
    /// Reports `Unknown`; the batch lands with [`FaultyLog::land_late`].
    UnknownLate,
}

/// Wraps a log; without faults it is that log.
#[derive(Debug, Default)]
pub struct FaultyLog<L> {
    inner: L,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    faults: VecDeque<Option<Fault>>,
    late: Vec<Vec<Bytes>>,
}

impl<L: EventLog> FaultyLog<L> {
    /// Wraps `inner`.
    pub fn new(inner: L) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// The log itself, which nothing goes wrong with.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    /// Says how the appends after those planned so far go; `None`: well.
    pub fn plan(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().faults.extend(faults);
    }

    /// How many appends are still planned.
    pub fn planned(&self) -> usize {
        self.lock().faults.len()
    }

    /// From now on nothing goes wrong, and what was held back is written.
    pub fn heal(&self) -> Result<(), AppendError> {
        self.lock().faults.clear();
        self.land_late()
    }

    /// Writes the batches that were held back, in order.
    pub fn land_late(&self) -> Result<(), AppendError> {
        let late = std::mem::take(&mut self.lock().late);
        late.iter().try_for_each(|batch| self.inner.append(batch))
    }

    fn hold_back(&self, records: &[Bytes]) {
        self.lock().late.push(records.to_vec());
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: EventLog> EventLog for FaultyLog<L> {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        let unknown = || Err(AppendError::Unknown("a planned fault".to_owned()));
        let fault = self.lock().faults.pop_front().flatten();
        match fault {
            None => self.inner.append(records),
            Some(Fault::Lost) => Ok(()),
            Some(Fault::Late) => {
                self.hold_back(records);
                Ok(())
            }
            Some(Fault::Duplicated) => self.inner.append(records).and_then(|()| self.inner.append(records)),
            Some(Fault::Torn) => self.inner.append(&torn(records)),
            Some(Fault::NotWritten) => Err(AppendError::NotWritten("a planned fault".to_owned())),
            Some(Fault::DiskFull) => Err(AppendError::DiskFull("a planned fault".to_owned())),
            Some(Fault::Unknown(written)) => {
                self.inner.append(&records[..written.min(records.len())])?;
                unknown()
            }
            Some(Fault::UnknownLate) => {
                self.hold_back(records);
                unknown()
            }
        }
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        self.inner.read(after, max)
    }

    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        self.inner.wait(after, timeout)
    }
}

fn torn(records: &[Bytes]) -> Vec<Bytes> {
    let mut records = records.to_vec();
    if let Some(last) = records.last_mut() {
        last.truncate(last.len() / 2);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{
        conformance::{batch, contents},
        memory::MemoryLog,
    };

    #[test]
    fn each_fault_does_what_it_says() {
        let log = FaultyLog::new(MemoryLog::default());
        log.plan([Some(Fault::Lost), Some(Fault::Late), None, Some(Fault::Duplicated), Some(Fault::Torn)]);
        for number in 0..5 {
            log.append(&batch(number, 1)).unwrap();
        }
        let torn = batch(4, 1)[0].slice(..9);
        assert_eq!(contents(&log), [batch(2, 1), batch(3, 1), batch(3, 1), vec![torn]].concat());

        log.plan([Some(Fault::NotWritten), Some(Fault::DiskFull), Some(Fault::Unknown(1)), Some(Fault::UnknownLate)]);
        assert!(matches!(log.append(&batch(5, 2)), Err(AppendError::NotWritten(_))));
        assert!(matches!(log.append(&batch(6, 2)), Err(AppendError::DiskFull(_))));
        assert!(matches!(log.append(&batch(7, 2)), Err(AppendError::Unknown(_))));
        assert!(matches!(log.append(&batch(8, 2)), Err(AppendError::Unknown(_))));
        log.land_late().unwrap();
        let tail = [batch(7, 2)[..1].to_vec(), batch(1, 1), batch(8, 2)].concat();
        assert_eq!(contents(&log)[4..], tail);
    }
}
