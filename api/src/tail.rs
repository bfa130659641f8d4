//! The newest events, ready to be sent to whoever follows the history.
//!
//! Each is written down once, however many follow; nothing is while nobody does. Who is further behind reads the log.

use crate::cloudevent::CloudEvent;
use bytes::Bytes;
use mcpctl_events::record::Record;
use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};
use tokio::sync::watch;

/// Most bytes of events that are kept.
const MOST_BYTES: usize = 8 << 20;

/// An event as followers get it.
#[derive(Debug)]
pub struct Told {
    /// Its sequence.
    pub sequence: u64,
    /// Its type.
    pub type_name: &'static str,
    /// What it is about.
    pub subject: String,
    /// `id: …` and `data: …`.
    pub frame: Bytes,
}

/// The end of the history.
#[derive(Debug)]
pub struct Tail {
    kept: RwLock<Kept>,
    newest: watch::Sender<u64>,
}

/// Events without a gap between them.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Told>>,
    bytes: usize,
}

/// What there is for a follower.
#[derive(Debug)]
pub enum News {
    /// It has everything.
    None,
    /// Events that come right after what it has.
    Events(Vec<Arc<Told>>),
    /// It is further behind than this goes.
    Behind,
}

impl Tail {
    /// The end of a history of this length.
    pub fn new(sequence: u64) -> Self {
        Self { kept: RwLock::default(), newest: watch::Sender::new(sequence) }
    }

    /// Takes the events of a record that is history now. Called for each, in the order of the log.
    pub fn tell(&self, record: &Record) {
        let last = record.header.first_sequence + record.header.count - 1;
        if self.newest.receiver_count() > 0 {
            let events: Vec<_> = (record.header.first_sequence..=last).filter_map(|at| told(record, at)).collect();
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                kept.push(event);
            }
        }
        self.newest.send_replace(last);
    }

    /// To know when there is more, and up to where.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What comes after a sequence, a piece of it at a time.
    pub fn after(&self, sequence: u64, most_bytes: usize) -> News {
        if sequence >= *self.newest.borrow() {
            return News::None;
        }
        let kept = self.kept();
        let first = kept.events.front().map(|event| event.sequence);
        let Some(at) = first.and_then(|first| usize::try_from((sequence + 1).checked_sub(first)?).ok()) else {
            return News::Behind;
        };
        let mut bytes = 0;
        let fits = |event: &&Arc<Told>| {
            let first = bytes == 0;
            bytes += event.frame.len();
            first || bytes <= most_bytes
        };
        let events: Vec<_> = kept.events.range(at.min(kept.events.len())..).take_while(fits).cloned().collect();
        if events.is_empty() { News::Behind } else { News::Events(events) }
    }

    fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, event: Told) {
        // Nobody followed for a while: what is kept from before does not go on here.
        if self.events.back().is_some_and(|last| last.sequence + 1 != event.sequence) {
            *self = Self::default();
        }
        self.bytes += event.frame.len();
        self.events.push_back(Arc::new(event));
        while self.bytes > MOST_BYTES
            && self.events.len() > 1
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.frame.len();
        }
    }
}

/// The event at `sequence`, which is in this record, as followers get it.
pub fn told(record: &Record, sequence: u64) -> Option<Told> {
    let event = CloudEvent::of(record, sequence)?;
    let mut frame = String::new();
    // Writing to a String cannot fail; JSON has no line breaks outside of its strings, and none in them.
    let _ = write!(frame, "id: {sequence}\ndata: {}\n\n", serde_json::to_string(&event).ok()?);
    let (type_name, subject) = (event.type_name(), event.subject().to_owned());
    Some(Told { sequence, type_name, subject, frame: frame.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpctl_events::{
        event::{Body, Event, Subject, token::TokenRevoked},
        hash::Hash,
        name::Name,
        record::{Actor, Header, RecordKind, VERSION},
        time::LogTime,
    };
    use uuid::Uuid;

    fn record(first_sequence: u64, count: u64) -> Record {
        let name = || Name::parse("t").unwrap();
        let event =
            Event { subject: Subject::Token(name()), body: Body::TokenRevoked(TokenRevoked { id: Uuid::nil() }) };
        Record {
            header: Header {
                v: VERSION,
                log_id: Uuid::nil(),
                term: 1,
                writer: Uuid::nil(),
                kind: RecordKind::Commit,
                first_sequence,
                count,
                prev_hash: Hash::NONE,
            },
            command_id: Uuid::nil(),
            idempotency: None,
            decided_at: LogTime::from_millis(1),
            actor: Actor::System(name()),
            events: vec![event; usize::try_from(count).unwrap()],
        }
    }

    fn sequences(news: News) -> Vec<u64> {
        let News::Events(events) = news else { panic!("{news:?}") };
        events.iter().map(|event| event.sequence).collect()
    }

    #[test]
    fn who_follows_gets_what_comes_and_nothing_is_kept_for_nobody() {
        let tail = Tail::new(4);
        assert!(matches!(tail.after(4, 1 << 20), News::None));
        tail.tell(&record(5, 2));
        assert!(matches!(tail.after(4, 1 << 20), News::Behind), "nobody followed");
        let follower = tail.follow();
        tail.tell(&record(7, 3));
        assert_eq!(*follower.borrow(), 9);
        assert_eq!(sequences(tail.after(6, 1 << 20)), [7, 8, 9]);
        assert_eq!(sequences(tail.after(8, 1 << 20)), [9]);
        assert_eq!(sequences(tail.after(6, 1)), [7], "one at least");
        assert!(matches!(tail.after(5, 1 << 20), News::Behind));
        assert!(matches!(tail.after(9, 1 << 20), News::None));
        drop(follower);
        tail.tell(&record(10, 1));
        let _follower = tail.follow();
        assert!(matches!(tail.after(9, 1 << 20), News::Behind), "it has a gap");
        tail.tell(&record(11, 1));
        assert_eq!(sequences(tail.after(10, 1 << 20)), [11]);
        assert!(matches!(tail.after(8, 1 << 20), News::Behind), "what was kept from before is gone");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let (tail, mut next) = (Tail::new(0), 1);
        let _follower = tail.follow();
        while next < 100_000 {
            tail.tell(&record(next, 500));
            next += 500;
        }
        let kept = tail.kept();
        let bytes: usize = kept.events.iter().map(|event| event.frame.len()).sum();
        assert!(bytes == kept.bytes && bytes <= MOST_BYTES && bytes > MOST_BYTES / 2, "{bytes}");
    }
}
