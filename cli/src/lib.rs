//! `mcpctl`, the command line of the registry.
//!
//! Knows the wire and the terminal. What a server or a publisher does lives in their crates; only [`dev`] composes them.

mod along;
mod apply;
mod args;
mod audit;
mod auth;
mod chat;
mod client;
mod clock;
mod completions;
mod context;
mod create;
mod credentials;
mod delete;
mod describe;
#[cfg(feature = "dev")]
mod dev;
mod diff;
mod edit;
mod events;
mod exit;
mod gc;
mod get;
mod history;
mod home;
mod label;
mod login;
mod man;
mod meant;
#[cfg(feature = "dev")]
mod migrate;
mod output;
mod past;
mod pause;
mod selected;
mod shell;
mod status;
mod token;
pub mod untrusted;
mod why;

use args::{Cli, Command};
use shell::Shell;
use std::process::ExitCode;

/// Reads the command line, does what it says, and picks the exit code.
pub fn main() -> ExitCode {
    completions::answer();
    let Cli { global, command } = match Cli::read(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(told) => return exit::told(&told),
    };
    let shell = Shell::new(global);
    exit::code(run(&shell, command.with_bare_names()), shell.screen)
}

fn run(shell: &Shell, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Completions(options) => completions::run(shell, &options),
        Command::Man(options) => man::run(shell, &options),
        #[cfg(feature = "dev")]
        Command::Dev(options) => dev::run(shell, *options),
        #[cfg(feature = "dev")]
        Command::Migrate(options) => migrate::run(shell, &options),
        // One thread is enough for one request at a time, and starts sooner.
        command => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            match talk(shell, command).await {
                Err(error) => Err(meant::instead(shell, error).await),
                done => done,
            }
        }),
    }
}

async fn talk(shell: &Shell, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Get(options) => get::run(shell, options).await,
        Command::Describe(options) => describe::run(shell, &options).await,
        Command::Chat(options) => chat::agent(shell, options).await,
        Command::ChatLlm(options) => chat::llm(shell, options).await,
        Command::Gc => gc::run(shell).await,
        Command::Status => status::run(shell).await,
        Command::Events(options) => events::run(shell, &options).await,
        Command::History(options) => history::run(shell, &options).await,
        Command::Why(options) => why::run(shell, &options).await,
        Command::Audit(command) => audit::run(shell, &command).await,
        Command::Diff(options) => diff::run(shell, &options).await,
        Command::Token(command) => token::run(shell, &command).await,
        Command::Auth(command) => auth::run(shell, &command).await,
        Command::Context(command) => context::run(shell, &command).await,
        Command::Login => login::run(shell).await,
        Command::Apply(options) => apply::run(shell, &options).await,
        Command::Create(command) => create::run(shell, command).await,
        Command::Edit(options) => edit::run(shell, &options).await,
        Command::Label(options) => label::run(shell, &options).await,
        Command::Delete(options) => delete::run(shell, &options).await,
        Command::Disable(options) => pause::run(shell, &options, pause::Change::Disable).await,
        Command::Enable(options) => pause::run(shell, &options, pause::Change::Enable).await,
        #[cfg(feature = "dev")]
        Command::Dev(_) | Command::Migrate(_) => unreachable!("runs on its own threads"),
        Command::Completions(_) | Command::Man(_) => unreachable!("talks to nobody"),
    }
}
