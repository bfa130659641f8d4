//! `completions`: scripts that make a shell complete commands, flags and names: each asks this program, which asks the
//! server.

mod names;

pub use names::{agents, any, contexts, formats, llms, projects, tokens, types};

use crate::args::{Cli, Completions, ShellName};
use crate::output::{self, Format};
use crate::shell::Shell;
use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

/// The variable by which a script asks.
const VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "mcpctl";

/// Answers a script that asks, and ends the process then.
pub fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Writes the script.
pub fn run(shell: &Shell, options: &Completions) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "completions")?;
    let completer: &dyn EnvCompleter = match options.shell {
        ShellName::Bash => &Bash,
        ShellName::Zsh => &Zsh,
        ShellName::Fish => &Fish,
    };
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Ok(output::answer(&String::from_utf8(script)?)?)
}
