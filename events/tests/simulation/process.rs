//! One process: its leadership, what it has read, and who waits for it.

use crate::{mutant::Mutant, protocol::Protocol};
use mcpctl_events::{admission::Admission, hash::Hash};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};
use uuid::Uuid;

pub struct Process<P> {
    pub protocol: P,
    pub read: Read,
    /// Commands that are staged and not admitted yet.
    pub staged: BTreeMap<Uuid, u64>,
    pub waiting: VecDeque<Waiting>,
    /// Claims that this incarnation appended.
    pub claims: BTreeSet<Hash>,
    pub incarnation: usize,
    /// Acts again when the run is at this step.
    pub awake_at: usize,
    /// How many reads of a thousand it does not come to.
    pub laziness: usize,
}

/// What a process knows from the log.
#[derive(Clone, Default)]
pub struct Read {
    pub position: usize,
    pub admission: Admission,
    /// The toy registry: commands done, and where.
    pub ledger: Rc<BTreeMap<Uuid, u64>>,
}

/// Answers that are given once this record was read back admitted.
pub struct Waiting {
    pub hash: Hash,
    pub answers: Vec<Answer>,
}

/// What a client is told.
pub enum Answer {
    /// The command was done, at this sequence.
    Done(Uuid, u64),
    /// The command had been done already, at this sequence.
    Repeat(Uuid, u64),
    /// These commands were done, nothing else, when so many answers had been given at the time of asking.
    Listing { ledger: Rc<BTreeMap<Uuid, u64>>, staged: BTreeMap<Uuid, u64>, asked_after: usize },
}

impl<P: Protocol> Process<P> {
    pub fn start(mutant: Option<Mutant>, incarnation: usize, read: Read, awake_at: usize, laziness: usize) -> Self {
        Self {
            protocol: P::new(mutant),
            read,
            staged: BTreeMap::new(),
            waiting: VecDeque::new(),
            claims: BTreeSet::new(),
            incarnation,
            awake_at,
            laziness,
        }
    }

    /// Where a command was done, as far as this process has decided.
    pub fn done(&self, command: &Uuid) -> Option<u64> {
        self.staged.get(command).or_else(|| self.read.ledger.get(command)).copied()
    }

    /// Drops what is staged; returns the commands whose callers were told to try again.
    pub fn drop_staged(&mut self) -> Vec<Uuid> {
        self.staged.clear();
        let answers = self.waiting.drain(..).flat_map(|waiting| waiting.answers);
        let command = |answer| match answer {
            Answer::Done(command, _) | Answer::Repeat(command, _) => Some(command),
            Answer::Listing { .. } => None,
        };
        answers.filter_map(command).collect()
    }
}
