//! `delete`: takes agents, Llms and threads away.

use crate::args::Delete;
use crate::client::route::Route;
use crate::output::{Format, clean};
use crate::shell::Shell;

/// Deletes one after the other, and stops at the first that fails.
pub async fn run(shell: &Shell, options: &Delete) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Name], "delete")?;
    let client = shell.client()?;
    for name in &options.names {
        client.delete(&Route::api([options.noun.list(), name])).await?;
        let done = if format == Format::Name { "" } else { " deleted" };
        crate::output::answer(&format!("{}/{}{done}\n", options.noun.word(), clean::line(name)))?;
    }
    Ok(())
}
