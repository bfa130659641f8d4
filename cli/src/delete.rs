//! `delete`: takes agents, Llms, projects, personalities, prompts and threads away, and cancels tasks.

use crate::args::{Deletable, Delete};
use crate::client::Client;
use crate::client::route::Route;
use crate::output::{Format, clean};
use crate::shell::Shell;
use serde::Deserialize;

/// Deletes one after the other, and stops at the first that fails.
pub async fn run(shell: &Shell, options: &Delete) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Name], "delete")?;
    let client = shell.client()?;
    for name in &options.names {
        // As `get -o name` prints it.
        let named = format!("{}/", options.noun.word());
        let name = name.strip_prefix(&named).unwrap_or(name);
        let route = Route::api([options.noun.list(), name]);
        let declared = is_declared(&client, options.noun, &route).await;
        client.delete(&route).await?;
        let done = match (format, options.noun) {
            (Format::Name, _) => "",
            (_, Deletable::Task) => " cancelled",
            _ => " deleted",
        };
        crate::output::answer(&format!("{}/{}{done}\n", options.noun.word(), clean::line(name)))?;
        if declared {
            let (word, name) = (options.noun.word(), clean::line(name));
            shell.screen.note(&format!(
                "a publisher declares {word} '{name}': it comes back when that registers again; \
                 `mcpctl disable {word} {name}` would have kept it out of use"
            ));
        }
    }
    Ok(())
}

/// Whether a publisher holds the row right now. What can't be found out is not said.
async fn is_declared(client: &Client, noun: Deletable, route: &Route) -> bool {
    #[derive(Deserialize)]
    struct Row {
        kind: String,
        status: String,
    }
    if !matches!(noun, Deletable::Agent | Deletable::Llm) {
        return false;
    }
    let row = client.get(route).await.ok().and_then(|answer| answer.read::<Row>().ok());
    row.is_some_and(|row| row.kind == "virtual" && row.status != "inactive")
}
