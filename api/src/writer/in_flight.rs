//! The records that were staged and not read back yet, and who waits for them.

use super::{Answer, SweepAnswer, SweepReport, WriteError};
use mcpctl_events::hash::Hash;
use std::{collections::VecDeque, time::Duration};
use tokio::sync::oneshot;

/// An answer that is held back until everything staged before it is admitted.
pub enum Waiting {
    /// One command.
    Command(oneshot::Sender<Answer>, Answer),
    /// A sweep.
    Sweep(SweepAnswer, SweepReport),
}

impl Waiting {
    fn release(self) {
        match self {
            Self::Command(sender, answer) => drop(sender.send(answer)),
            Self::Sweep(sender, report) => drop(sender.send(Ok(report))),
        }
    }

    pub(super) fn fail(self, error: &WriteError) {
        match self {
            Self::Command(sender, _) => drop(sender.send(Err(error.clone()))),
            Self::Sweep(sender, _) => drop(sender.send(Err(error.clone()))),
        }
    }
}

/// A record that was not read back yet.
struct Record {
    hash: Hash,
    way: Way,
    waiting: Vec<Waiting>,
}

/// How far a record is on its way to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The log knows nothing of it.
    Staged,
    /// The writer's thread is appending it.
    Appending,
    /// It is on the log since this uptime.
    Appended(Duration),
}

/// What is known of the records whose append failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Appending {
    /// They are not on the log, and never will be.
    NotWritten,
    /// They may be, now or later.
    Unknown,
}

/// Oldest first.
#[derive(Default)]
pub(super) struct InFlight(VecDeque<Record>);

impl InFlight {
    /// Whether all that was staged was read back.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the newest of them is still to be appended.
    pub(super) fn ends_staged(&self) -> bool {
        self.0.back().is_some_and(|record| record.way == Way::Staged)
    }

    /// A record was staged.
    pub(super) fn push(&mut self, hash: Hash) {
        self.0.push_back(Record { hash, way: Way::Staged, waiting: Vec::new() });
    }

    /// All that was only staged is being appended.
    pub(super) fn appending(&mut self) {
        self.0.iter_mut().filter(|record| record.way == Way::Staged).for_each(|record| record.way = Way::Appending);
    }

    /// What was being appended is on the log.
    pub(super) fn appended(&mut self, uptime: Duration) {
        let appending = self.0.iter_mut().filter(|record| record.way == Way::Appending);
        appending.for_each(|record| record.way = Way::Appended(uptime));
    }

    /// Since when the oldest of them is on the log.
    pub(super) fn unread_since(&self) -> Option<Duration> {
        match self.0.front()?.way {
            Way::Appended(since) => Some(since),
            Way::Staged | Way::Appending => None,
        }
    }

    /// Releases an answer once all that is in flight now is admitted; at once if nothing is.
    pub(super) fn answer_later(&mut self, waiting: Waiting) {
        match self.0.back_mut() {
            Some(last) => last.waiting.push(waiting),
            None => waiting.release(),
        }
    }

    /// This record, and with it all before it, was read back admitted.
    pub(super) fn admitted(&mut self, hash: Hash) {
        while let Some(record) = self.0.pop_front() {
            let found = record.hash == hash;
            record.waiting.into_iter().for_each(Waiting::release);
            if found {
                return;
            }
        }
    }

    /// Nothing in flight is believed any more: tells everyone who waits what is known of his record.
    pub(super) fn fail(&mut self, reason: &str, appending: Appending) {
        for record in self.0.drain(..) {
            let error = match (record.way, appending) {
                (Way::Staged, _) | (Way::Appending, Appending::NotWritten) => WriteError::NoWriter(reason.to_owned()),
                (Way::Appending, Appending::Unknown) | (Way::Appended(_), _) => WriteError::OutcomeUnknown,
            };
            record.waiting.into_iter().for_each(|waiting| waiting.fail(&error));
        }
    }
}
