//! Two and three processes write one log whose appends are lost, late, duplicated, reordered or torn, while they pause,
//! crash, doubt and claim anew. Whatever happens, the history stays one; and each rule is needed for that: without it,
//! some schedule breaks what must hold.
//!
//! `SIM_SEED=<first seed>` and `SIM_RUNS=<how many>` repeat or extend a run.
#![expect(clippy::unwrap_used, reason = "tests")]

mod drive;
mod history;
mod judge;
mod mutant;
mod outside;
mod process;
mod protocol;
mod rng;
mod sketch;
mod wire;
mod world;

use history::Check;
use mcpctl_events::leadership::Leadership;
use mutant::Mutant;
use protocol::{Lockstep, Protocol};
use sketch::Sketch;
use std::env;
use wire::Tally;
use world::World;

/// What must have happened in all runs together, or the simulation proves nothing.
const TROUBLE: &[&str] = &[
    "Refused",
    "Lost",
    "Late",
    "Duplicated",
    "DuplicatedLate",
    "Reordered",
    "Torn",
    "CutShort",
    "reported as done",
    "reported as unknown",
    "paused",
    "crashed",
    "doubted",
    "claimed",
    "elected",
    "resigned",
    "resigned a claim it had given up",
    "repeated",
    "listed",
    "met a stranger",
    "met an impostor",
    "noticed an edit",
    "stepped down: another writer was elected",
    "stepped down: the claim of another was first",
    "stepped down: it resigned",
    "stepped down: a record of a later term is on the log, but not its claim",
    "stepped down: a record of its own is missing on the log",
    "stepped down: a record of its own was rejected: OutOfSequence",
    "stepped down: a record of its own was rejected: LostClaim",
];

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn run<P: Protocol>(seed: u64, mutant: Option<Mutant>, tally: &mut Tally) -> Check {
    World::<P>::new(seed, mutant, tally).run()
}

fn run_all<P: Protocol>(runs: u64) -> Tally {
    let (first, runs) = (setting("SIM_SEED", 0), setting("SIM_RUNS", runs));
    let mut tally = Tally::new();
    for seed in first..first + runs {
        if let Err(violation) = run::<P>(seed, None, &mut tally) {
            panic!("seed {seed}: {violation}\nrepeat it with SIM_SEED={seed} SIM_RUNS=1");
        }
    }
    tally
}

#[test]
fn the_history_stays_one_whatever_happens() {
    let tally = run_all::<Leadership>(3000);
    println!("{tally:#?}");
    if env::var_os("SIM_RUNS").is_none() {
        for what in TROUBLE {
            assert!(tally.get(*what).is_some_and(|times| *times > 20), "too little of `{what}`: {tally:#?}");
        }
    }
}

#[test]
fn the_sketch_without_a_mutant_is_the_real_thing() {
    run_all::<Lockstep>(300);
}

#[test]
fn no_rule_can_be_done_without() {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let caught = (0..20_000).find_map(|seed| {
            let violation = run::<Sketch>(seed, Some(*mutant), &mut Tally::new()).err()?;
            Some(format!("seed {seed}: {violation}"))
        });
        match caught {
            Some(caught) => println!("{mutant:?}: {caught}"),
            None => survivors.push(mutant),
        }
    }
    assert!(survivors.is_empty(), "nothing breaks with {survivors:?}");
}
