//! The lines of a walk along the log that the server makes.

use super::records::Lines;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::exit::Stuck;
use crate::output::progress::Bar;
use crate::shell::Shell;
use mcpctl_events::wire::audit::Step;

/// What is said of tables, where the log is no matter.
const TABLES: &str = "the read tables ";
const REBUILD: &str = "`mcpctl audit rebuild` makes them anew from the log";

/// Has the server walk, shows how far it is, and returns the last line.
pub async fn walk(shell: &Shell, what: &'static str, doing: &'static str, next: &str) -> anyhow::Result<Step> {
    let client = shell.client()?;
    let response = client.begin(&Route::api(["audit", what])).await?;
    let mut lines = Lines::of(&client, response);
    let mut bar = None;
    loop {
        let line = lines.next().await?.ok_or_else(|| odd("it ended without a result"))?;
        match serde_json::from_slice(&line).map_err(|error| odd(&error.to_string()))? {
            Step::Progress(progress) => {
                bar.get_or_insert_with(|| Bar::new(doing, progress.of, shell.screen, true)).reach(progress.sequence);
            }
            Step::Failed { error } => {
                drop(bar);
                let next = if error.starts_with(TABLES) { REBUILD } else { next };
                return Err(Stuck::new(error, next).into());
            }
            last => return Ok(last),
        }
    }
}

/// An answer that is no such walk's.
pub fn odd(reason: &str) -> Failure {
    Failure::Malformed { reason: reason.to_owned() }
}
