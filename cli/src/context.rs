//! `context`: servers with their tokens, by name.

use crate::args::context::Context as Command;
use crate::credentials::{Credentials, context::Context};
use crate::exit::Stuck;
use crate::login;
use crate::output::table::{Table, Width};
use crate::output::{self, Format};
use crate::shell::Shell;
use serde::Serialize;

/// One of the list; the token stays where it is.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    server: &'a str,
    current: bool,
}

/// Lists, chooses, adds or deletes.
pub async fn run(shell: &Shell, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List => list(shell),
        Command::Use { name } => choose(shell, &Context::named(name)?),
        Command::Add { name } => login::keep(shell, &Context::named(name)?, "context add").await,
        Command::Delete { name } => delete(shell, &Context::named(name)?),
    }
}

fn list(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json, Format::Name], "context list")?;
    let current = Context::current()?;
    let contexts = Context::all()?;
    // One that cannot be read is listed all the same: it can be deleted, or written anew.
    let server = |context| Credentials::read(context).ok().and_then(|it| it.server).unwrap_or_default();
    let servers: Vec<String> = contexts.iter().map(server).collect();
    let rows: Vec<Row<'_>> = contexts
        .iter()
        .zip(&servers)
        .map(|(context, server)| Row { name: context.name(), server, current: *context == current })
        .collect();
    match format {
        Format::Json => shell.answer_json(&serde_json::to_string(&rows)?),
        Format::Name => {
            let names: Vec<&str> = rows.iter().flat_map(|row| [row.name, "\n"]).collect();
            Ok(output::answer(&names.concat())?)
        }
        _ => {
            let mut table = Table::new(&["CURRENT", "NAME", "SERVER"].map(|title| (title, Width::Natural)));
            for row in &rows {
                table.row([if row.current { "*" } else { "" }, row.name, row.server]);
            }
            Ok(output::answer(&shell.screen.table(&table, false))?)
        }
    }
}

fn choose(shell: &Shell, context: &Context) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "context use")?;
    // `default` may come with the first login.
    if !context.exists() && *context != Context::default() {
        return Err(missing(context).into());
    }
    context.make_current()?;
    shell.screen.note(&format!("commands use context '{}' from now on", context.name()));
    Ok(())
}

fn delete(shell: &Shell, context: &Context) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "context delete")?;
    if !context.exists() {
        return Err(missing(context).into());
    }
    if *context == Context::current()? {
        let next = "`mcpctl context use NAME` takes another one first";
        return Err(Stuck::new(format!("context '{}' is in use", context.name()), next).into());
    }
    context.remove()?;
    Ok(output::answer(&format!("context/{} deleted\n", context.name()))?)
}

/// What to do where there is no such context.
pub fn missing(context: &Context) -> Stuck {
    let name = context.name();
    let next = format!("`mcpctl context list` lists what there is; `mcpctl context add {name} --server URL` adds it");
    Stuck::new(format!("there is no context '{name}'"), next)
}
