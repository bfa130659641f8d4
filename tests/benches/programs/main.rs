//! Figures of the real programs, as processes of their own: how fast the server starts, what publishers at rest cost
//! it, what a relayed call costs server and publisher together, how fast the history is looked through, how soon
//! followers hear of what happens, and what several servers on Kafka and Postgres do.
//!
//! `cargo build --release --bins && cargo bench -p mcpctl-tests`, with `start`, `rest`, `relay`, `audit`, `follow`, `scale`,
//! `project`, `failover`, `cli` or `crowd` behind it for one of them alone. Takes about fifteen minutes; every figure is of this
//! run only. `scale`, `project`, `failover` and `crowd` need what `tests/sdks/install.sh` installs.
#![allow(clippy::disallowed_methods, reason = "what a bench starts ends with its runtime")]

mod audit;
mod command_line;
mod failover;
mod follow;
mod history;
mod relay;
mod rest;
mod scale;
mod start;

fn line(what: &str, figure: &str) {
    println!("  {what:<72} {figure:>12}");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    // Cargo itself adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|arg| arg == name);
    if is_wanted("start") {
        start::run().await;
    }
    if is_wanted("rest") {
        rest::run().await;
    }
    if is_wanted("relay") {
        relay::run().await;
    }
    if is_wanted("audit") {
        audit::run().await;
    }
    if is_wanted("follow") {
        follow::run().await;
    }
    if is_wanted("scale") {
        scale::run().await;
    }
    if is_wanted("project") {
        scale::project().await;
    }
    if is_wanted("failover") {
        failover::run().await;
    }
    if is_wanted("cli") {
        command_line::run().await;
    }
    if is_wanted("crowd") {
        rest::crowd().await;
    }
}
