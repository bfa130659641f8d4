//! `why`: one paragraph that says how an agent or Llm stands, since when, by which chain of causes, and what would change
//! it.

mod words;

use crate::args::{One, RowNoun};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::history;
use crate::output::document::Document;
use crate::output::{self, Format, clean};
use crate::shell::Shell;

/// Events that are looked at: what came before these explains nothing any more.
const EVENTS: usize = 200;

/// Explains it.
pub async fn run(shell: &Shell, options: &One) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "why")?;
    let client = shell.client()?;
    let events = history::read(&client, options, EVENTS).await?;
    let row = row(&client, [options.noun.list(), &options.name]).await?;
    let model = match (options.noun, &row) {
        (RowNoun::Agent, Some(agent)) => model(&client, agent).await?,
        _ => words::Model::None,
    };
    let text = words::paragraph(options.noun, &options.name, row.as_ref(), &events, &model);
    Ok(output::answer(&format!("{}\n", clean::line(&text)))?)
}

/// The row, if it is there.
async fn row(client: &Client, path: [&str; 2]) -> anyhow::Result<Option<Document>> {
    match client.get(&Route::api(path)).await {
        Ok(answer) => Ok(Some(Document::parse(&answer.body)?)),
        Err(error) if matches!(error.downcast_ref::<Failure>(), Some(Failure::Refused(no)) if no.status == 404) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// How what an agent is pinned to stands.
async fn model(client: &Client, agent: &Document) -> anyhow::Result<words::Model> {
    let pin = agent.get("llm");
    let name = pin.map(|pin| crate::events::word(pin, "name")).unwrap_or_default();
    let is_pool = pin.and_then(|pin| pin.get("id")).is_none_or(Document::is_empty);
    if is_pool {
        return Ok(words::Model::Pool(name));
    }
    Ok(row(client, ["llms", &name]).await?.map_or(words::Model::Gone(name), words::Model::Llm))
}
