//! `delete`: takes agents, Llms, projects, personalities, prompts and threads away, and cancels tasks.

use crate::along;
use crate::apply;
use crate::args::{Delete, Noun, RowNoun};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::exit::Usage;
use crate::output::{Format, clean};
use crate::selected;
use crate::shell::Shell;
use serde::Deserialize;

/// Deletes one after the other, and stops at the first that fails.
pub async fn run(shell: &Shell, options: &Delete) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Name], "delete")?;
    let client = shell.client()?;
    let Some(given) = options.noun else { return documented(shell, &client, options, format).await };
    let noun = Noun::from(given);
    let names = match (&options.selector, RowNoun::try_from(given)) {
        (Some(_), Err(())) => {
            return Err(Usage(format!("-l is for agents and Llms; a {} has no labels", noun.word())).into());
        }
        (selector, Ok(row)) => selected::names(shell, &client, row, &options.names, selector.as_ref()).await?,
        (None, Err(())) => options.names.clone(),
    };
    for (index, name) in names.iter().enumerate() {
        one(shell, &client, noun, name, format).await.inspect_err(|_| not_tried(shell, noun, &names[index + 1..]))?;
    }
    Ok(())
}

fn not_tried(shell: &Shell, noun: Noun, rest: &[String]) {
    if !rest.is_empty() {
        let rest: Vec<_> = rest.iter().map(|name| clean::line(name)).collect();
        shell.screen.note(&format!("not tried, after it: {} {}", noun.word(), rest.join(" ")));
    }
}

/// Deletes what documents name: what others hang on comes last. What is not there is no failure.
async fn documented(shell: &Shell, client: &Client, options: &Delete, format: Format) -> anyhow::Result<()> {
    for wanted in apply::documents(&options.file, options.selector.as_ref())?.into_iter().rev() {
        match one(shell, client, wanted.noun, &wanted.name, format).await {
            Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_not_found) => {
                shell.screen.note(&format!("{} is not there", wanted.title()));
            }
            done => done.map_err(|error| apply::placed(error, &wanted))?,
        }
    }
    Ok(())
}

async fn one(shell: &Shell, client: &Client, noun: Noun, given: &str, format: Format) -> anyhow::Result<()> {
    let route = Route::api([noun.list(), given]);
    let row = row(client, noun, &route).await;
    let declared = row.as_ref().is_some_and(Row::is_declared);
    // It may have been named by its id.
    let name = row.as_ref().and_then(|row| row.name.as_deref()).unwrap_or(given);
    let along = along::with(client, noun, name).await;
    client.delete(&route).await?;
    let done = match (format, noun) {
        (Format::Name, _) => "",
        (_, Noun::Tasks) => " cancelled",
        _ => " deleted",
    };
    crate::output::answer(&format!("{}/{}{done}\n", noun.word(), clean::line(name)))?;
    if let Some(along) = along {
        shell.screen.note(&format!("with it went {along}"));
    }
    if declared {
        let (word, name) = (noun.word(), clean::line(name));
        shell.screen.note(&format!(
            "a publisher declares {word} '{name}': it comes back when that registers again; \
             `mcpctl disable {word} {name}` would have kept it out of use"
        ));
    }
    Ok(())
}

/// What of a row decides what is said of its end.
#[derive(Deserialize)]
struct Row {
    name: Option<String>,
    kind: Option<String>,
    status: Option<String>,
}

impl Row {
    /// Whether a publisher holds it right now.
    fn is_declared(&self) -> bool {
        self.kind.as_deref() == Some("virtual") && self.status.as_deref() != Some("inactive")
    }
}

/// What can't be found out is not said.
async fn row(client: &Client, noun: Noun, route: &Route) -> Option<Row> {
    let has_name = !matches!(noun, Noun::Threads | Noun::Tasks);
    if has_name { client.get(route).await.ok()?.read().ok() } else { None }
}
