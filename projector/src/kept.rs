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
    /// Loaded, and not yet reached.
    open: Option<(&'static str, u64, Replica)>,
}

impl Checks {
    pub(crate) fn new(mut kept: Vec<Kept>) -> Self {
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.sequence));
        Self { rest: kept, open: None }
    }

    /// Compares what was made where `fresh` is now.
    pub(crate) fn reach(&mut self, fresh: &Replica, report: &mut Report) {
        loop {
            // Records that admission rejects have no sequence, and may be in it, too.
            if self.open.as_ref().is_some_and(|(_, _, kept)| kept.position > fresh.position) {
                return;
            }
            if let Some((place, sequence, kept)) = self.open.take()
                && kept != *fresh
            {
                report.add(other(place, sequence));
            }
            let Some(next) = self.rest.pop_if(|kept| kept.sequence <= fresh.admission.last_sequence) else { return };
            self.open = (next.load)().map(|kept| (next.place, next.sequence, kept));
        }
    }

    /// What the log did not reach is of no such log.
    pub(crate) fn end(self, report: &mut Report) {
        let rest = self.rest.into_iter().map(|kept| (kept.place, kept.sequence));
        for (place, sequence) in self.open.map(|(place, sequence, _)| (place, sequence)).into_iter().chain(rest) {
            report.add(other(place, sequence));
        }
    }
}

fn other(place: &'static str, sequence: u64) -> Difference {
    Difference { table: place, key: sequence.to_string(), what: What::Other }
}
