//! Decisions and their fold, on a registry of 10,000 rows.

use crate::{
    Outcome,
    figures::{heading, line, rate},
    history::History,
    workload::Publisher,
};
use mcpctl_events::{command::Command, decide::decide, evolve::evolve, rejection::Rejection};
use std::time::{Duration, Instant};

const PUBLISHERS: u32 = 5_000;
const AT_ONCE: u32 = 1_000;
const RUNS: u32 = 20;

pub fn run() -> Outcome {
    let registry = History::of_publishers(PUBLISHERS);
    heading(&format!("decide and evolve, on {} rows", 2 * PUBLISHERS));
    let new = |number| Publisher::number(PUBLISHERS + number).register(0);
    line("register a new Llm and a new agent", &measure(&registry, new)?);
    line("register a change of both", &measure(&registry, |number| Publisher::number(number).register(1))?);
    line("register the same again", &measure(&registry, |number| Publisher::number(number).register(0))?);
    line("open a stream", &measure(&registry, |number| Publisher::number(number).connect())?);
    Ok(())
}

/// The best of some runs, each on a fresh copy, so that the registry stays as large as it is.
fn measure(registry: &History, command: impl Fn(u32) -> Command) -> Result<String, Rejection> {
    let commands: Vec<Command> = (0..AT_ONCE).map(command).collect();
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let mut state = registry.replica.state.clone();
        let context = registry.context();
        let begin = Instant::now();
        for command in &commands {
            for event in decide(&state, command, context)? {
                evolve(&mut state, context.now, &event);
            }
        }
        best = best.min(begin.elapsed());
    }
    Ok(rate(AT_ONCE, best))
}
