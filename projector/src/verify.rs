//! Comparing the tables, value by value, with a fresh fold of the log.

use crate::{
    Checkpoint, Progress, Tables,
    blocking::{blocking, workers},
    checkpoint::Mismatch,
    follow::SharedLog,
    kept::{Checks, Kept},
    projection::index,
    store::{StoreError, Verifier},
};
use mcpctl_events::{
    hash::Hash,
    log::EventLog,
    replay::{ReplayError, each_record},
    replica::Replica,
};
use std::{fmt, ops::ControlFlow};

/// Differences that are named; more are only counted.
const NAMED: usize = 20;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sequence that the tables were at.
    pub sequence: u64,
    /// The last sequence of the log, whose chain was followed that far.
    pub log: u64,
    /// Hash of the commit that ends there.
    pub head: Hash,
    /// Rows that were compared, entries of the event index among them.
    pub rows: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub count: u64,
}

impl Report {
    fn at(sequence: u64) -> Self {
        Self { sequence, log: 0, head: Hash::NONE, rows: 0, differences: Vec::new(), count: 0 }
    }

    /// Whether the tables are what the log says.
    pub fn is_clean(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, difference: Difference) {
        self.count += 1;
        if self.differences.len() < NAMED {
            self.differences.push(difference);
        }
    }
}

/// A place where the tables are not what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub key: String,
    /// What is wrong there.
    pub what: What,
}

/// How a row differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The log has it, the tables do not.
    Missing,
    /// The tables have it, the log does not.
    Surplus,
    /// It is not the same.
    Other,
    /// A value differs.
    Value {
        /// The column.
        column: &'static str,
        /// What the tables hold.
        found: String,
        /// What the log says.
        expected: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, what } = self;
        match what {
            What::Missing => write!(f, "{table} `{key}`: missing"),
            What::Surplus => write!(f, "{table} `{key}`: not in the log"),
            What::Other => write!(f, "{table} `{key}`: is not what the log says"),
            What::Value { column, found, expected } => {
                write!(f, "{table} `{key}`: {column} is {found}, the log says {expected}")
            }
        }
    }
}

/// Why the tables could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log cannot be folded; a broken chain is named with its sequence.
    #[error(transparent)]
    Fold(#[from] ReplayError),
    /// The log is not the one that the tables were made from.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The tables cannot be read.
    #[error("the read tables cannot be compared: {0}")]
    Store(#[from] StoreError),
    /// Whoever wanted it no longer does.
    #[error("it was told to stop")]
    Cancelled,
}

impl From<mcpctl_events::log::ReadError> for VerifyError {
    fn from(error: mcpctl_events::log::ReadError) -> Self {
        Self::Fold(error.into())
    }
}

/// Folds the log from its start to the tables' checkpoint and compares every row of every table, and every entry of
/// the event index; then follows the chain on to the tip. Folds that are `kept` are compared where they were made. The
/// tables are read in one transaction: they may go on meanwhile. Heartbeats that only the overlay knows are not compared.
pub async fn verify(
    log: &SharedLog,
    tables: &Tables,
    kept: Vec<Kept>,
    progress: &Progress,
) -> Result<Report, VerifyError> {
    let (log, tables, progress) = (log.clone(), tables.clone(), progress.clone());
    blocking(move || compare(&*log, &tables, Checks::new(kept), &progress)).await
}

fn compare(log: &dyn EventLog, tables: &Tables, mut kept: Checks, progress: &Progress) -> Result<Report, VerifyError> {
    let (mut verifier, checkpoint) = Verifier::open(tables)?;
    let mut report = Report::at(checkpoint.sequence);
    let mut replica = fold_and_compare_index(log, &mut verifier, &checkpoint, &mut kept, &mut report, progress)?;
    checkpoint.check(&replica.admission)?;
    let state = &replica.state;
    verifier.rows(state.llms.iter(), &mut report)?;
    verifier.rows(state.agents.iter(), &mut report)?;
    verifier.documents(state.projects.iter(), &mut report)?;
    verifier.documents(state.personalities.iter(), &mut report)?;
    verifier.documents(state.prompts.iter(), &mut report)?;
    verifier.sessions(&state.sessions, &mut report)?;
    verifier.tokens(state.tokens.values(), &mut report)?;
    verifier.bindings(&state.grants, &mut report)?;
    each_record(log, replica.position, workers(), |entry| {
        replica.apply(entry).map_err(ReplayError::from)?;
        kept.reach(&replica, &mut report);
        reach(progress, &replica)
    })?;
    kept.end(&mut report);
    (report.log, report.head) = (replica.admission.last_sequence, replica.admission.head);
    Ok(report)
}

fn reach(progress: &Progress, replica: &Replica) -> Result<ControlFlow<()>, VerifyError> {
    progress.reach(replica.admission.last_sequence);
    if progress.is_stopped() { Err(VerifyError::Cancelled) } else { Ok(ControlFlow::Continue(())) }
}

fn fold_and_compare_index(
    log: &dyn EventLog,
    verifier: &mut Verifier,
    checkpoint: &Checkpoint,
    kept: &mut Checks,
    report: &mut Report,
    progress: &Progress,
) -> Result<Replica, VerifyError> {
    let mut replica = Replica::default().on(log);
    kept.reach(&replica, report);
    if checkpoint.sequence > 0 {
        each_record(log, replica.position, workers(), |entry| {
            let before = replica.admission.last_sequence;
            replica.apply(entry).map_err(ReplayError::from)?;
            kept.reach(&replica, report);
            let after = replica.admission.last_sequence;
            if after > before
                && let Ok(record) = &entry.record
            {
                for expected in index(entry, record) {
                    verifier.event(&expected, report)?;
                }
            }
            if after >= checkpoint.sequence {
                return Ok(ControlFlow::Break(()));
            }
            reach(progress, &replica)
        })?;
    }
    verifier.surplus_events(report)?;
    Ok(replica)
}
