//! `audit`: the log itself, its proof, and what was made of it.

mod chain;
mod export;
mod head;
mod import;
mod rebuild;
mod records;
mod replay;
mod signed;
mod steps;
mod timeline;
mod verify;

use crate::args::audit::Audit;
use crate::shell::Shell;

pub use head::Point;

/// Runs one of the commands.
pub async fn run(shell: &Shell, command: &Audit) -> anyhow::Result<()> {
    match command {
        Audit::Head => head::run(shell).await,
        Audit::Verify(options) => verify::run(shell, options).await,
        Audit::Rebuild => rebuild::run(shell).await,
        Audit::Export(options) => export::run(shell, options).await,
        Audit::Import(options) => import::run(shell, options),
        Audit::Replay(options) => replay::run(shell, options).await,
        Audit::Timeline(options) => timeline::run(shell, options).await,
    }
}
