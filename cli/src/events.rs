//! `events`: what happened, as a plain list; and what happens, if asked to.

mod follow;
pub mod newest;
mod printer;
pub mod query;
pub mod table;

use crate::args::Events;
use crate::output::document::Document;
use crate::output::{Format, json};
use crate::shell::Shell;
use printer::Printer;
use query::Query;

const FORMATS: [Format; 5] = [Format::Table, Format::Wide, Format::Json, Format::Yaml, Format::Name];

/// How many events of the past `-f` begins with.
const RECENT: u64 = 10;

/// Lists events, oldest first; with a limit and no place to begin, the newest.
pub async fn run(shell: &Shell, options: &Events) -> anyhow::Result<()> {
    let format = shell.format_in_pieces(&FORMATS, "events")?;
    let client = shell.client()?;
    let mut query = Query {
        type_: options.type_.as_deref().map(query::glob),
        subject: options.subject.clone(),
        ..Query::default()
    };
    query.after = match (options.after, options.limit) {
        (Some(after), _) => after,
        (None, Some(limit)) => newest::start(&client, &query, limit).await?,
        (None, None) if options.follow => newest::start(&client, &query, RECENT).await?,
        (None, None) => 0,
    };
    if options.follow {
        return follow::run(&client, query, Printer::following(format, shell.screen), shell.screen).await;
    }
    let mut printer = Printer::new(format, shell.screen);
    query.pages(&client, options.limit.unwrap_or(u64::MAX), |page| Ok(printer.page(&page)?)).await?;
    if printer.is_empty() {
        shell.screen.note("no event matches");
    }
    Ok(printer.end()?)
}

/// A member's text, empty if there is none.
pub fn word(event: &Document, key: &str) -> String {
    match event.get(key) {
        Some(Document::Text(text)) => text.clone(),
        Some(other) if !other.is_empty() => json::compact(other),
        _ => String::new(),
    }
}
