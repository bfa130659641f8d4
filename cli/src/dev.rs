//! `dev`: server and publisher in this process, with something to chat with from the first second.
//!
//! Composes the two libraries and has no registry logic of its own.

mod greeting;
mod kept;
mod plan;
mod program;
mod stack;

use crate::exit::Usage;
use crate::output::Format;
use crate::shell::Shell;
use mcpd::config::Config;

/// Flags of `dev`: the server's, and its own.
#[derive(clap::Args)]
pub struct Dev {
    /// The server's flags.
    #[command(flatten)]
    server: mcpd::config::Args,
    /// Don't look for local model servers
    #[arg(long)]
    no_probe: bool,
    /// Begin anew: move the data of the registry here aside first
    #[arg(long)]
    reset: bool,
}

/// Runs the stack until Ctrl-C or SIGTERM.
pub fn run(shell: &Shell, options: Dev) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "dev")?;
    mcpd::logging::init(options.server.log_format, "warn");
    if options.reset && (options.server.log.is_some() || options.server.db.is_some()) {
        return Err(Usage(
            "--reset is for a registry that is whole in its data folder: leave out --log and --db".to_owned(),
        )
        .into());
    }
    let config = Config::from_args(options.server).map_err(|e| Usage(e.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(stack::run(shell, config, !options.no_probe, options.reset))
}
