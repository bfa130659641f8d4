//! `completions`: scripts that make a shell complete commands and flags.

use crate::args::{Cli, Completions, ShellName};
use crate::output::Format;
use crate::shell::Shell;
use clap::CommandFactory;
use clap_complete::aot;

/// Writes the script.
pub fn run(shell: &Shell, options: &Completions) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "completions")?;
    let generator = match options.shell {
        ShellName::Bash => aot::Shell::Bash,
        ShellName::Zsh => aot::Shell::Zsh,
        ShellName::Fish => aot::Shell::Fish,
    };
    let mut script = Vec::new();
    aot::generate(generator, &mut Cli::command(), "mcpctl", &mut script);
    Ok(crate::output::answer(&String::from_utf8(script)?)?)
}
