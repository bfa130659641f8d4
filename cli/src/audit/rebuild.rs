//! `audit rebuild`: new read tables, from the log.

use super::steps::{odd, walk};
use crate::output::{self, Format};
use crate::shell::Shell;
use mcpctl_events::wire::audit::Step;

/// Has them made.
pub async fn run(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json], "audit rebuild")?;
    let next = "`mcpctl audit verify` says how log and tables stand";
    let Step::Rebuilt(rebuilt) = walk(shell, "rebuild", "rebuilding", next).await? else {
        return Err(odd("it says nothing of new tables").into());
    };
    if format == Format::Json {
        return shell.answer_json(&serde_json::to_string(&rebuilt)?);
    }
    let (sequence, generation) = (rebuilt.sequence, rebuilt.generation);
    Ok(output::answer(&format!("read tables made anew at sequence {sequence}, generation {generation}\n"))?)
}
