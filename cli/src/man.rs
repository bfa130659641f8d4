//! `man`: manual pages, made from the same text as `--help`.

use crate::args::{Cli, Man};
use crate::exit::Stuck;
use crate::output::{self, Format};
use crate::shell::Shell;
use clap::{Command, CommandFactory};
use std::io;
use std::path::Path;

/// Writes the page of the program, or all pages into a folder.
pub fn run(shell: &Shell, options: &Man) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "man")?;
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &options.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(output::answer(&String::from_utf8_lossy(&page))?);
    };
    let count = pages(&command, dir).map_err(|error| {
        Stuck::new(format!("cannot write pages to {}: {error}", dir.display()), "name a folder that is yours")
    })?;
    shell.screen.note(&format!("{count} pages; `man -l {}` shows the first", dir.join("mcpctl.1").display()));
    Ok(())
}

fn pages(command: &Command, dir: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(dir)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.as_str()).render(&mut page)?;
    std::fs::write(dir.join(format!("{name}.1")), page)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set());
    let mut count = 1;
    for below in below {
        count += pages(below, dir)?;
    }
    Ok(count)
}
