//! Reading a partition from any place, by as many as like.

use super::{
    KafkaTarget,
    client::{FetchWait, PATIENCE},
    reader::{Polled, Reader, retryable},
    topic,
};
use crate::log::{Entry, Page, Position, ReadError};
use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Consumers that are kept for the next read.
const IDLE: usize = 4;
/// After this time without one they are given up: a consumer fetches as long as it lives.
const UNUSED: Duration = Duration::from_secs(2);
/// A consumer that waits so many records before a place is nearer to it than the brokers are: a read elsewhere waits for the
/// end of the fetch before it, and what comes next is mostly at hand already.
const NEAR: u64 = 1000;
/// How long a broker may take that has something, or nothing, to tell.
const USUAL_PATIENCE: Duration = Duration::from_secs(1);
/// A page ends after the record with which it is larger.
const PAGE_BYTES: usize = 8 << 20;

/// A partition, and consumers that wait at some of its places.
pub(super) struct Partition {
    target: KafkaTarget,
    /// Since when they wait, the oldest first.
    idle: Mutex<Vec<(Instant, Reader)>>,
    /// Asks where the partition ends. On a connection of its own: brokers answer one after the other, and what a reader
    /// waits for they answer when there is something.
    asker: Mutex<Option<Arc<Reader>>>,
    /// How far it was read: it can never end before that.
    seen: AtomicU64,
    /// The broker removes nothing from its beginning.
    is_kept_whole: bool,
    wait: FetchWait,
}

impl Partition {
    /// All of its records are kept for ever.
    pub(super) fn of_a_log(target: &KafkaTarget) -> Self {
        Self {
            target: target.clone(),
            idle: Mutex::default(),
            asker: Mutex::default(),
            seen: AtomicU64::new(0),
            is_kept_whole: true,
            wait: FetchWait::Short,
        }
    }

    /// The oldest of its records are removed at times.
    pub(super) fn of_heartbeats(target: &KafkaTarget) -> Self {
        Self { is_kept_whole: false, wait: FetchWait::Long, ..Self::of_a_log(target) }
    }

    /// See [`EventLog::read`](crate::log::EventLog::read).
    pub(super) fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        self.all_or_none(self.read_at(after, max))
    }

    fn read_at(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        let mut reader = self.reader_at(after.0)?;
        let page = self.collect(&mut reader, after.0, max)?;
        self.put_back(reader);
        Ok(page)
    }

    /// See [`EventLog::wait`](crate::log::EventLog::wait).
    pub(super) fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        self.all_or_none(self.wait_at(after, timeout))
    }

    fn wait_at(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        let deadline = Instant::now() + timeout;
        let mut reader = self.reader_at(after.0)?;
        if reader.at() != Some(after.0) {
            reader.begin_anew(after.0)?;
        }
        let is_there = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match reader.take(left)? {
                Polled::Record(entry) => {
                    reader.put_back(entry);
                    break true;
                }
                Polled::End => {}
                Polled::Nothing => break false,
                // What is before the first record that is kept is read from there; what is after the last has to wait.
                Polled::Outside if after.0 < self.kept()?.0 => break true,
                Polled::Outside => {
                    thread::sleep(left);
                    break false;
                }
            }
        };
        self.put_back(reader);
        Ok(is_there)
    }

    /// Brokers that failed one consumer may have lost what the others wait for: none of them is used again.
    fn all_or_none<T>(&self, done: Result<T, ReadError>) -> Result<T, ReadError> {
        if done.is_err() {
            let given_up = mem::take(&mut *self.idle());
            drop(given_up);
        }
        done
    }

    /// The first offset at or after a time in milliseconds, or the one after the last.
    pub(super) fn first_at(&self, time: i64) -> Result<u64, ReadError> {
        match self.ask(|asker| asker.first_at(time))? {
            Some(offset) => Ok(offset),
            None => Ok(self.kept()?.1),
        }
    }

    /// The first offset that is kept, and the one after the last, as of now.
    pub(super) fn kept(&self) -> Result<(u64, u64), ReadError> {
        let (first, end) = self.ask(Reader::bounds)?;
        if self.is_kept_whole && first > 0 {
            let topic = &self.target.topic;
            return Err(lost(format!(
                "topic {topic} begins at offset {first}: what came before was removed; is its retention.ms still -1?"
            )));
        }
        Ok((first, end))
    }

    /// Asks the brokers. Whoever got no answer is given up: the next one asks anew.
    fn ask<T>(&self, question: impl FnOnce(&Reader) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let known = self.asker().clone();
        let asker = match known {
            Some(asker) => asker,
            None => Arc::new(Reader::connect(&self.target, self.wait)?),
        };
        let answer = question(&asker);
        *self.asker() = answer.is_ok().then_some(asker);
        answer
    }

    /// The records from an offset on, as far as they are at hand. They are all there were if they reach to where the
    /// partition ends by then, and nothing more is at hand: brokers that speak of the last batch by its first record hand
    /// it over whole.
    fn collect(&self, reader: &mut Reader, from: u64, max: usize) -> Result<Page, ReadError> {
        // What was read before this began is there.
        let seen = self.seen.load(Ordering::Acquire);
        let mut page = Collected { next: from, ..Collected::default() };
        let mut wait = Wait::of(reader, from)?;
        let at_tip = loop {
            match reader.take(wait.left())? {
                Polled::Record(entry) if page.entries.len() == max || page.bytes >= PAGE_BYTES => {
                    reader.put_back(entry);
                    break false;
                }
                Polled::Record(entry) => {
                    let offset = entry.position.0 - 1;
                    if offset > page.next {
                        self.check_hole(page.next, offset)?;
                    }
                    page.push(entry);
                    wait = Wait::No;
                }
                // The end of now, or of a moment ago.
                Polled::End if wait.is_for_an_answer() => break true,
                Polled::End => {}
                Polled::Outside => {
                    let first = self.kept()?.0;
                    if page.next >= first {
                        self.check_end(page.next, seen)?;
                        break true;
                    }
                    page.next = first;
                    // librdkafka seeks no more once an offset was out of range.
                    *reader = Reader::connect(&self.target, self.wait)?;
                    wait = Wait::begin(reader, first)?;
                }
                Polled::Nothing => match wait {
                    Wait::Longer(_) => {
                        return Err(retryable("the brokers did not answer in time".to_owned()));
                    }
                    // Whoever waits for what is read does not wait for the broker to say that there is no more.
                    Wait::No if !page.entries.is_empty() => break false,
                    _ => match (self.kept()?.1, wait) {
                        // Not every broker says of an offset after its end that there is none.
                        (end, Wait::ForAnAnswer(_)) if page.next > end => {
                            self.check_end(page.next, seen)?;
                            break true;
                        }
                        // Brokers that speak of the last batch by its first record end before what was read of it.
                        (end, Wait::No | Wait::OnItsWay(_)) if page.next >= end => break true,
                        (_, Wait::No) => wait = Wait::OnItsWay(Instant::now() + USUAL_PATIENCE),
                        // Something is there, and is not at hand: maybe what this consumer asked for was lost.
                        (_, Wait::OnItsWay(_)) => wait = Wait::begin(reader, page.next)?,
                        _ => wait = Wait::Longer(Instant::now() + PATIENCE),
                    },
                },
            }
        };
        if !page.entries.is_empty() {
            self.seen.fetch_max(page.next, Ordering::Release);
        }
        Ok(Page { entries: page.entries, at_tip })
    }

    /// A partition never ends before what was read.
    fn check_end(&self, from: u64, seen: u64) -> Result<(), ReadError> {
        if from > seen {
            return Ok(());
        }
        let topic = &self.target.topic;
        Err(lost(format!("topic {topic} was read up to offset {seen}, and ends before that: it was cut, or made anew")))
    }

    /// Offsets without records are left by transactions, which are no business of a log, but do no harm; or by what
    /// removes records, and then the history has a hole.
    fn check_hole(&self, from: u64, to: u64) -> Result<(), ReadError> {
        let topic = &self.target.topic;
        let Some(policy) = topic::cleanup_policy(&self.target) else {
            return Err(retryable(format!(
                "topic {topic} has a hole at offset {from}, and its cleanup.policy is not told"
            )));
        };
        if policy == "delete" {
            return Ok(());
        }
        Err(lost(format!(
            "topic {topic} has no records from offset {from} to {}: its cleanup.policy is {policy}, and must be delete",
            to - 1
        )))
    }

    /// A consumer that waits at this offset, or else shortly before it, or else the one that has waited longest, or a new
    /// one.
    fn reader_at(&self, offset: u64) -> Result<Reader, ReadError> {
        let (kept, unused) = {
            let mut idle = self.idle();
            let near = idle.iter().enumerate().filter_map(|(index, (_, reader))| Some((reader.at()?, index)));
            let near = near.filter(|(at, _)| is_near(*at, offset)).max().map(|(_, index)| index);
            let oldest = (idle.len() >= IDLE).then_some(0);
            let kept = near.or(oldest).map(|index| idle.remove(index).1);
            (kept, idle.extract_if(.., |(since, _)| since.elapsed() > UNUSED).collect::<Vec<_>>())
        };
        drop(unused);
        let Some(mut reader) = kept else { return Reader::connect(&self.target, self.wait) };
        if reader.at().is_some_and(|at| is_near(at, offset)) {
            reader.skip_to(offset)?;
        }
        Ok(reader)
    }

    /// One that failed, or was sent where nothing is, is not put back: the next read connects anew.
    fn put_back(&self, reader: Reader) {
        if reader.at().is_none() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push((Instant::now(), reader));
        }
    }

    fn asker(&self) -> MutexGuard<'_, Option<Arc<Reader>>> {
        self.asker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Readers are taken and put back whole, so a poisoned lock is as good as any.
    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Reader)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records of a page so far.
#[derive(Default)]
struct Collected {
    entries: Vec<Entry>,
    next: u64,
    bytes: usize,
}

impl Collected {
    fn push(&mut self, entry: Entry) {
        (self.next, self.bytes) = (entry.position.0, self.bytes + entry.bytes.len());
        self.entries.push(entry);
    }
}

/// How long is waited for the next record.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// What is at hand is enough.
    No,
    /// It is there, and was asked for.
    OnItsWay(Instant),
    /// The broker was asked just now, and says whether there is one.
    ForAnAnswer(Instant),
    /// It did not say so soon.
    Longer(Instant),
}

impl Wait {
    /// For a reader that is to read from an offset.
    fn of(reader: &mut Reader, from: u64) -> Result<Self, ReadError> {
        if reader.at() == Some(from) { Ok(Self::No) } else { Self::begin(reader, from) }
    }

    fn begin(reader: &mut Reader, from: u64) -> Result<Self, ReadError> {
        reader.begin_anew(from)?;
        Ok(Self::ForAnAnswer(Instant::now() + USUAL_PATIENCE))
    }

    fn is_for_an_answer(self) -> bool {
        matches!(self, Self::ForAnAnswer(_) | Self::Longer(_))
    }

    fn left(self) -> Duration {
        match self {
            Self::No => Duration::ZERO,
            Self::OnItsWay(until) | Self::ForAnAnswer(until) | Self::Longer(until) => {
                until.saturating_duration_since(Instant::now())
            }
        }
    }
}

fn is_near(at: u64, offset: u64) -> bool {
    at <= offset && offset - at <= NEAR
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("target", &self.target).finish_non_exhaustive()
    }
}

/// No retry brings back what is gone.
fn lost(reason: String) -> ReadError {
    ReadError { reason, retryable: false }
}
