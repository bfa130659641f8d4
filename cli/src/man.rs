//! `man`: manual pages, made from the same text as `--help`.

use crate::args::{Cli, Man};
use crate::exit::Stuck;
use crate::output::{self, Format};
use crate::shell::Shell;
use clap::{Command, CommandFactory};
use roff::{Roff, roman};
use std::io;
use std::path::Path;

/// What stands at the foot of each page.
const SOURCE: &str = concat!("mcpctl ", env!("CARGO_PKG_VERSION"));

/// Writes the page of the program, or all pages into a folder.
pub fn run(shell: &Shell, options: &Man) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "man")?;
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &options.dir else {
        return Ok(output::answer(&String::from_utf8_lossy(&page(&command)?))?);
    };
    let count = pages(&command, dir).map_err(|error| {
        Stuck::new(format!("cannot write pages to {}: {error}", dir.display()), "name a folder that is yours")
    })?;
    shell.screen.note(&format!("{count} pages; `man -l {}` shows the first", dir.join("mcpctl.1").display()));
    Ok(())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let (man, mut page) =
        (clap_mangen::Man::new(command.clone()).title(name).source(SOURCE).manual("mcpctl"), Vec::new());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(after) = command.get_after_help() {
        examples(&after.to_string(), &mut page)?;
    }
    Ok(page)
}

/// What `--help` ends with; its lines are not filled.
fn examples(after: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let (before, examples) = after.split_once("Examples:\n").unwrap_or(("", after));
    let mut section = Roff::new();
    if !before.trim().is_empty() {
        section.control("SH", ["NOTES"]).text([roman(before.trim())]);
    }
    section.control("SH", ["EXAMPLES"]).control("nf", []).text([roman(examples)]).control("fi", []);
    section.to_writer(page)
}

fn pages(command: &Command, dir: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(dir)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    std::fs::write(dir.join(format!("{name}.1")), page(command)?)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set());
    let mut count = 1;
    for below in below {
        count += pages(below, dir)?;
    }
    Ok(count)
}
