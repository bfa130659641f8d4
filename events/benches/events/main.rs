//! How fast the core decides, replays and appends.
//!
//! `cargo bench -p mcpctl-events --features sqlite`; words after `--` choose among `decide`, `replay`, `append`.

mod append;
mod decide;
mod figures;
mod history;
mod replay;
mod workload;

use std::{env, error::Error};

/// What the programs run with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a part of the benches may fail with.
type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let chosen: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let parts = [("decide", decide::run as fn() -> Outcome), ("replay", replay::run), ("append", append::run)];
    for (name, run) in parts {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            run()?;
        }
    }
    Ok(())
}
