//! What happens between an append and the log.

use crate::rng::Rng;
use bytes::Bytes;
use std::collections::BTreeMap;

/// A way for an append to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Refused,
    Lost,
    Late,
    Duplicated,
    DuplicatedLate,
    Reordered,
    Torn,
    CutShort,
}

/// Whatever befell the processes of all runs, by name.
pub type Tally = BTreeMap<String, usize>;

/// Records on their way, and what goes wrong with them.
#[derive(Debug)]
pub struct Wire {
    late: Vec<Bytes>,
    /// How many appends of a thousand go wrong.
    pub trouble: usize,
}

/// What becomes of an append.
pub struct Outcome {
    /// What lands now.
    pub landing: Vec<Bytes>,
    /// What the process is told: an error means that it knows nothing.
    pub reported: bool,
}

impl Wire {
    pub fn new(trouble: usize) -> Self {
        Self { late: Vec::new(), trouble }
    }

    pub fn send(&mut self, rng: &mut Rng, batch: Vec<Bytes>, tally: &mut Tally) -> Outcome {
        use Fault::*;
        if !rng.chance(self.trouble) {
            return Outcome { landing: batch, reported: true };
        }
        let fault = rng.pick(&[Refused, Lost, Late, Late, Duplicated, DuplicatedLate, Reordered, Torn, CutShort]);
        let reported = fault != Refused && rng.chance(500);
        *tally.entry(format!("{fault:?}")).or_default() += 1;
        *tally.entry(if reported { "reported as done" } else { "reported as unknown" }.to_owned()).or_default() += 1;
        Outcome { landing: self.befall(rng, fault, batch), reported }
    }

    fn befall(&mut self, rng: &mut Rng, fault: Fault, mut batch: Vec<Bytes>) -> Vec<Bytes> {
        let at = rng.below(batch.len());
        match fault {
            Fault::Refused | Fault::Lost if rng.chance(500) => {
                batch.remove(at);
                if fault == Fault::Refused { Vec::new() } else { batch }
            }
            Fault::Refused | Fault::Lost => Vec::new(),
            Fault::Late if rng.chance(500) => {
                self.late.push(batch.remove(at));
                batch
            }
            Fault::Late => {
                self.late.append(&mut batch);
                batch
            }
            Fault::Duplicated => {
                let copy = batch[at].clone();
                batch.insert(rng.below(batch.len() + 1), copy);
                batch
            }
            Fault::DuplicatedLate => {
                self.late.push(batch[at].clone());
                batch
            }
            Fault::Reordered => {
                if batch.len() < 2 {
                    self.late.append(&mut batch);
                }
                rng.shuffle(&mut batch);
                batch
            }
            Fault::Torn => {
                let torn = batch[at].slice(..rng.below(batch[at].len()));
                batch[at] = torn;
                batch
            }
            Fault::CutShort => {
                batch.truncate(at);
                batch
            }
        }
    }

    /// Something that was late lands, whichever.
    pub fn land_one(&mut self, rng: &mut Rng) -> Option<Bytes> {
        rng.take(&mut self.late)
    }
}
