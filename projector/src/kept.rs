//! Folds that somebody keeps, compared with a fresh one on its way.

use crate::verify::{Difference, Report, What};
use mcpctl_events::replica::Replica;
use std::fmt;

/// A fold that was made at some point of the log.
pub struct Kept {
    /// What keeps it.
    pub place: &'static str,
    /// The last sequence that it says to be made of.
    pub sequence: u64,
    /// Gets it when it is needed; nothing if by then there is nothing that anybody would use.
    pub load: Box<dyn FnOnce() -> Option<Replica> + Send>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("place", &self.place).field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// Those that are still to be compared.
pub(crate) struct Checks {
    /// The next one is the last.
    rest: Vec<Kept>,
    /// Loaded at their sequence. Records without a sequence come behind it, and each was made somewhere among them.
    open: Vec<(Difference, Replica)>,
}

impl Checks {
    pub(crate) fn new(mut kept: Vec<Kept>) -> Self {
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.sequence));
        Self { rest: kept, open: Vec::new() }
    }

    /// Compares what was made where `fresh` is now.
    pub(crate) fn reach(&mut self, fresh: &Replica, report: &mut Report) {
        while let Some(next) = self.rest.pop_if(|kept| kept.sequence <= fresh.admission.last_sequence) {
            let difference = other(next.place, next.sequence);
            self.open.extend((next.load)().map(|kept| (difference, kept)));
        }
        for (difference, kept) in self.open.extract_if(.., |(_, kept)| kept.position <= fresh.position) {
            if kept != *fresh {
                report.add(difference);
            }
        }
    }

    /// What the log did not reach is of no such log.
    pub(crate) fn end(self, report: &mut Report) {
        let open = self.open.into_iter().map(|(difference, _)| difference);
        open.chain(self.rest.iter().map(|kept| other(kept.place, kept.sequence))).for_each(|other| report.add(other));
    }
}

fn other(place: &'static str, sequence: u64) -> Difference {
    Difference { table: place, key: sequence.to_string(), what: What::Other }
}
