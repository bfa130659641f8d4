//! `why`: one paragraph that says whether an agent or Llm can be called, how it stands and since when, by which chain of
//! causes, and what would change it.

mod case;
mod event;
mod outlook;
mod paragraph;
mod part;
#[cfg(test)]
mod tests;
mod verdict;

use crate::args::{One, RowNoun, Why};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::history;
use crate::output::document::Document;
use crate::output::{self, Format, clean, filled, json};
use crate::past;
use crate::shell::Shell;
use case::Case;
use event::Event;
use mcpctl_events::wire::why::Facts;
use std::collections::BTreeSet;

/// Events that are read: what came before these explains little, and is counted no more.
const EVENTS: usize = 5000;
/// The same of the Llm, and of the publisher.
const AROUND: usize = 50;
/// Events whose publishers are looked at.
const LATELY: usize = 6;
/// Columns of a paragraph at most: longer lines are hard to read.
const WIDEST: usize = 100;

/// Explains it.
pub async fn run(shell: &Shell, options: &Why) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json], "why")?;
    let client = shell.client()?;
    let route = Route::api([options.of.noun.list(), &options.of.name, "why"]).with("asOf", options.as_of.as_ref());
    let answer = client.get(&route).await.map_err(|error| past::called(error, "--as-of"))?;
    let facts: Facts = answer.read()?;
    let read = Read::of(&client, &options.of, &facts).await?;
    let case = read.case(options.of.noun, &facts);
    let text = clean::line(&paragraph::paragraph(&case)).into_owned();
    if format == Format::Json {
        let whole = Document::Map(vec![
            ("explanation".to_owned(), Document::text(text)),
            ("callable".to_owned(), Document::Token(verdict::is_callable(&case).to_string())),
            ("facts".to_owned(), Document::parse(&answer.body)?),
            ("events".to_owned(), Document::List(case.events.iter().take(AROUND).cloned().collect())),
        ]);
        return shell.answer_json(&json::compact(&whole));
    }
    let width = shell.screen.terminal_out.then(terminal_size::terminal_size).flatten();
    let text = match width {
        Some((width, _)) => filled(&text, usize::from(width.0).min(WIDEST)),
        None => text,
    };
    Ok(output::answer(&(text + "\n"))?)
}

/// The histories that an explanation takes.
struct Read {
    name: String,
    own: Vec<Document>,
    llms: Vec<(String, Vec<Document>)>,
    publishers: Vec<(String, Vec<Document>)>,
}

impl Read {
    async fn of(client: &Client, one: &One, facts: &Facts) -> anyhow::Result<Self> {
        // An id may mean something else by now.
        let name = facts.row.as_ref().map_or(&one.name, |row| &row.name).clone();
        let one = One { noun: one.noun, name: name.clone() };
        let own = own_history(client, &one, facts).await?;
        let members = facts.pool.iter().flat_map(case::named_members);
        let mut llms = Vec::new();
        for llm in facts.llm.iter().chain(members) {
            llms.push((llm.name.clone(), around(client, "llms", &llm.name, facts.sequence).await?));
        }
        let mut publishers = Vec::new();
        for session in sessions(facts, &own) {
            let events = around(client, "sessions", &session, facts.sequence).await?;
            publishers.push((session, events));
        }
        Ok(Self { name, own, llms, publishers })
    }

    fn case<'a>(&'a self, noun: RowNoun, facts: &'a Facts) -> Case<'a> {
        Case {
            noun,
            name: &self.name,
            facts,
            events: &self.own,
            is_whole: self.own.len() < EVENTS,
            llms: &self.llms,
            publishers: &self.publishers,
        }
    }
}

async fn own_history(client: &Client, one: &One, facts: &Facts) -> anyhow::Result<Vec<Document>> {
    if facts.row.is_none() && facts.pool.is_some() {
        return Ok(Vec::new());
    }
    let events = history::read(client, one, EVENTS, Some(facts.sequence)).await?;
    if events.is_empty() && facts.row.is_none() {
        // An error, unless it came later.
        history::read(client, one, 1, None).await?;
    }
    Ok(events)
}

/// The publishers that matter: of the row, of what it depends on, and of the events that are told.
fn sessions(facts: &Facts, events: &[Document]) -> BTreeSet<String> {
    let members = facts.pool.iter().flat_map(case::named_members);
    let rows = facts.row.iter().chain(&facts.llm).chain(members);
    let now = rows.filter_map(|row| row.publisher.as_ref());
    let told = events.iter().take(LATELY).map(|event| Event(event).data("sessionId")).filter(|id| !id.is_empty());
    now.map(|publisher| publisher.session.clone()).chain(told).collect()
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
