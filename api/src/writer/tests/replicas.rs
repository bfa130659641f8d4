//! Three replicas of one log, on the real writer, desk, follower and vigil, while they stand still, are cut off, crash and
//! stop, and anything happens to their appends. Whatever happens, at most one leads in a term, each command is done once,
//! and no answer is of an older state than one that somebody got before the question.

mod script;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use script::{ALL_BUT_THE_END, Next, script};
use std::cell::RefCell;
use world::World;

/// What must have happened in all runs together, or they prove nothing.
const TROUBLE: &[&str] = &[
    "stands still",
    "cut off",
    "crashed",
    "stopped",
    "Lost",
    "Late",
    "Duplicated",
    "Torn",
    "NotWritten",
    "Unknown",
    "UnknownLate",
    "found another one leading",
    "asked one that was deposed",
    "claimed from one who does not answer",
    "outcome unknown",
    "no writer",
    "done",
    "repeated",
    "nothing to do",
];

fn run_all(cases: u32, seed: u8, run: impl Fn(Vec<Next>)) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let ran = runner.run(&script(), |script| {
        run(script);
        Ok(())
    });
    ran.unwrap_or_else(|failed| panic!("{failed}"));
}

#[test]
fn whatever_happens_nobody_is_told_what_is_not_so() {
    let tally = RefCell::default();
    run_all(500, 1, |script| {
        let mut world = World::new(&tally);
        for next in script {
            world.happens(next);
        }
        world.heal();
        world.check_the_end();
    });
    let tally = tally.into_inner();
    println!("{tally:#?}");
    for what in TROUBLE {
        assert!(tally.get(*what).is_some_and(|times| *times > 20), "too little of `{what}`: {tally:#?}");
    }
}

#[test]
fn while_nothing_goes_wrong_nobody_is_deposed() {
    run_all(100, 2, |script| {
        let tally = RefCell::default();
        let mut world = World::new(&tally);
        for next in script.into_iter().filter(|next| !next.is_trouble()) {
            world.happens(match next {
                Next::Moment { ms, does } => Next::Moment { ms, does: does.map(|does| does | ALL_BUT_THE_END) },
                next => next,
            });
        }
        world.heal();
        world.check_the_end();
        let stopped = tally.borrow().get("stopped while it led").copied().unwrap_or_default();
        let elected = world.leaders.len();
        assert!(elected <= 1 + stopped, "{elected} were elected, and {stopped} stopped");
        assert_eq!(tally.borrow().get("outcome unknown"), None);
    });
}
