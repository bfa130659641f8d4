//! `why`: one paragraph that says whether an agent or Llm can be called, how it stands and since when, by which chain of
//! causes, and what would change it.

mod case;
mod event;
mod outlook;
mod paragraph;
#[cfg(test)]
mod tests;
mod verdict;

use crate::args::{RowNoun, Why};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::history;
use crate::output::document::Document;
use crate::output::{self, Format, clean, json};
use crate::shell::Shell;
use case::Case;
use mcpctl_events::wire::why::Facts;

/// Events that are read: what came before these explains little, and is counted no more.
const EVENTS: usize = 5000;
/// The same of the Llm, and of the publisher.
const AROUND: usize = 50;
/// Columns of a paragraph at most: longer lines are hard to read.
const WIDEST: usize = 100;

/// Explains it.
pub async fn run(shell: &Shell, options: &Why) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json], "why")?;
    let client = shell.client()?;
    let one = &options.of;
    let route = Route::api([one.noun.list(), &one.name, "why"]).with("asOf", options.as_of.as_ref());
    let answer = client.get(&route).await?;
    let facts: Facts = answer.read()?;
    let is_pool = facts.row.is_none() && facts.pool.is_some();
    let events = if is_pool { Vec::new() } else { history::read(&client, one, EVENTS, Some(facts.sequence)).await? };
    if facts.row.is_none() && !is_pool && events.is_empty() {
        // An error, unless it came later.
        history::read(&client, one, 1, None).await?;
    }
    let llm = match (&facts.llm, one.noun) {
        (Some(llm), RowNoun::Agent) => around(&client, "llms", &llm.name, facts.sequence).await?,
        _ => Vec::new(),
    };
    let publisher = match session(&facts, &events) {
        Some(session) => around(&client, "sessions", &session, facts.sequence).await?,
        None => Vec::new(),
    };
    let registry = facts.registry.iter().map(|event| Document::parse(event.get())).collect::<Result<Vec<_>, _>>()?;
    let case = Case {
        noun: one.noun,
        name: &one.name,
        facts: &facts,
        is_whole: events.len() < EVENTS,
        events: &events,
        llm_events: &llm,
        publisher_events: &publisher,
        registry_events: &registry,
    };
    let text = clean::line(&paragraph::paragraph(&case)).into_owned();
    if format == Format::Json {
        let callable = case.facts.row.is_some() || case.facts.pool.is_some();
        let callable = Document::Token((callable && verdict::is_callable(&case)).to_string());
        let whole = Document::Map(vec![
            ("explanation".to_owned(), Document::text(text)),
            ("callable".to_owned(), callable),
            ("facts".to_owned(), Document::parse(&answer.body)?),
        ]);
        return Ok(output::answer(&(json::pretty(&whole) + "\n"))?);
    }
    let width = shell.screen.terminal_out.then(terminal_size::terminal_size).flatten();
    let text = match width {
        Some((width, _)) => filled(&text, usize::from(width.0).min(WIDEST)),
        None => text,
    };
    Ok(output::answer(&(text + "\n"))?)
}

/// The publisher that it belongs to, or else belonged to last.
fn session(facts: &Facts, events: &[Document]) -> Option<String> {
    let now = facts.row.as_ref().or(facts.llm.as_ref()).and_then(|row| row.publisher.as_ref());
    let last = || events.iter().map(|event| event::Event(event).data("sessionId")).find(|id| !id.is_empty());
    now.map(|publisher| publisher.session.clone()).or_else(last)
}

/// The newest events of something else up to a point; none if it is gone.
async fn around(client: &Client, list: &str, name: &str, until: u64) -> anyhow::Result<Vec<Document>> {
    let route = Route::api([list, name, "history"]).with("limit", Some(AROUND)).with("before", Some(until + 1));
    match client.get(&route).await {
        Ok(answer) => match Document::parse(&answer.body)? {
            Document::List(events) => Ok(events),
            _ => Ok(Vec::new()),
        },
        Err(error) if matches!(error.downcast_ref::<Failure>(), Some(Failure::Refused(no)) if no.status == 404) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// In lines of so many columns; times and ids stay whole.
fn filled(text: &str, width: usize) -> String {
    let options = textwrap::Options::new(width)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}
