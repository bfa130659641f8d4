//! `describe`: one thing seen whole: what it is, how it is, what hangs on it, what happened to it.

mod documents;
mod rows;

use crate::args::{Documented, Item, Noun};
use crate::client::Client;
use crate::client::route::Route;
use crate::events::{newest, query::Query, table};
use crate::get::definition;
use crate::output::document::Document;
use crate::output::sheet::Sheet;
use crate::output::times::Times;
use crate::output::{Format, lines_of, yaml};
use crate::shell::Shell;

/// How many events are shown.
const RECENT: u64 = 10;

/// What is shown of one.
struct Seen {
    /// Its own name: it may have been asked for by its id.
    name: String,
    text: String,
}

/// Shows one.
pub async fn run(shell: &Shell, options: &Item) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json, Format::Yaml], "describe")?;
    let (client, noun) = (shell.client()?, Noun::from(options.noun));
    let answer = client.get(&Route::api([noun.list(), &options.name])).await?;
    match format {
        Format::Json => return shell.answer_json(&answer.body),
        Format::Yaml => {
            let document = definition::of(noun, Document::parse(&answer.body)?);
            return Ok(crate::output::answer(&yaml::write(&document))?);
        }
        _ => {}
    }
    let Seen { name, text } = match options.noun {
        Documented::Agent => rows::agent(&client, &answer, shell.screen).await?,
        Documented::Llm => rows::llm(&client, &answer, shell.screen).await?,
        Documented::Project => documents::project(&client, &answer, shell.screen).await?,
        Documented::Personality => documents::personality(&client, &answer, shell.screen).await?,
        Documented::Prompt => documents::prompt(&answer, shell.screen)?,
    };
    let happened = match recent(&client, &format!("{}/{name}", noun.word())).await {
        Ok(events) => happened(shell, &events),
        Err(error) => {
            shell.screen.note(&format!("recent events are not shown: {error:#}"));
            String::new()
        }
    };
    Ok(crate::output::answer(&(text + &happened))?)
}

fn happened(shell: &Shell, events: &[Document]) -> String {
    if events.is_empty() {
        return String::new();
    }
    let mut table = table::empty(false);
    let width = shell.screen.width(false).map(|width| width.saturating_sub(2));
    let style = table::Style { times: shell.screen.times(false), is_short: width.is_some() };
    table::fill(&mut table, events, false, style);
    let shown = table.render_within(width.is_none(), shell.screen.colour_out, width);
    "Recent events:\n".to_owned() + &lines_of(shown.lines().map(|line| format!("  {line}")))
}

fn origin(sheet: &mut Sheet, times: Times, [owner, id, created, updated]: [&String; 4], version: u64) {
    sheet.line("Owner", owner);
    sheet.line("Created", times.told(created));
    sheet.line("Updated", format!("{} (version {version})", times.told(updated)));
    sheet.line("ID", id);
}

/// The newest events of a subject, oldest first.
async fn recent(client: &Client, subject: &str) -> anyhow::Result<Vec<Document>> {
    let query = Query { subject: Some(subject.to_owned()), ..Query::default() };
    let query = Query { after: newest::start(client, &query, RECENT).await?, ..query };
    query.page(client, RECENT).await
}
