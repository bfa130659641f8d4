//! The hash chain, followed record by record from the first.

use super::head::Point;
use mcpctl_events::admission::{Admission, Rejected, Verdict};
use mcpctl_events::hash::Hash;
use mcpctl_events::record::Header;

/// How far the chain was followed.
#[derive(Debug, Default)]
pub struct Chain {
    admission: Admission,
    /// The last sequence before the last commit.
    before: u64,
}

/// The records are no history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A record was altered, or one is missing before it.
    #[error("{0}")]
    Altered(String),
    /// A line that no history holds.
    #[error("after sequence {after}: {what}")]
    NoHistory {
        /// The last sequence before it.
        after: u64,
        /// What is there.
        what: &'static str,
    },
}

impl Chain {
    /// Takes the next record.
    pub fn take(&mut self, record: &[u8]) -> Result<(), Broken> {
        let after = self.admission.last_sequence;
        let verdict = self.admission.admit(Header::decode(record).as_ref(), Hash::of(record));
        if self.admission.last_sequence > after {
            self.before = after;
        }
        match verdict {
            Verdict::Fatal(fatal) => Err(Broken::Altered(fatal.to_string())),
            Verdict::Rejected(why) => Err(Broken::NoHistory { after, what: in_words(why) }),
            Verdict::Elected | Verdict::Committed | Verdict::Barrier | Verdict::Resigned => Ok(()),
        }
    }

    /// Up to where nothing that the chain breaks behind is in it: the hash of the last record was named by no next one.
    pub fn sure(&self) -> u64 {
        self.before
    }

    /// Where it is.
    pub fn head(&self) -> Point {
        Point { sequence: self.admission.last_sequence, hash: self.admission.head }
    }
}

fn in_words(why: Rejected) -> &'static str {
    match why {
        Rejected::NotAnEnvelope => "a line is no record",
        Rejected::OtherLog => "a record is of another log",
        Rejected::LostClaim => "a claim is not of the next term",
        Rejected::NotTheHolder => "a record is of a writer that did not hold the term",
        Rejected::UnknownTerm => "a record is of a term whose claim is missing",
        Rejected::OutOfSequence => "a record is missing, or is there twice",
    }
}
