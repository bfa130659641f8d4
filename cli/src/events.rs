//! `events`: what happened, as a plain list.

use crate::args::Events;
use crate::client::route::Route;
use crate::client::{Answer, Client};
use crate::output::Format;
use crate::output::document::Document;
use crate::output::table::{Table, Width};
use crate::output::{clean, json, lines_of, yaml};
use crate::shell::Shell;

const COLUMNS: [(&str, Width); 6] = [
    ("SEQUENCE", Width::Natural),
    ("TIME", Width::Natural),
    ("TYPE", Width::Natural),
    ("SUBJECT", Width::Natural),
    ("CAUSE", Width::Natural),
    ("ACTOR", Width::Natural),
];

/// Lists events, oldest first.
pub async fn run(shell: &Shell, options: &Events) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml, Format::Name], "events")?;
    let answer = fetch(&shell.client()?, options).await?;
    if format == Format::Json {
        return crate::output::answer_json(&answer.body);
    }
    let events = list(&answer)?;
    let text = match format {
        Format::Yaml => events.iter().map(yaml::write).collect::<Vec<_>>().join("---\n"),
        Format::Name => lines_of(events.iter().map(|e| format!("event/{}", clean::line(&word(e, "sequence"))))),
        _ => table(&events, format == Format::Wide).render(true, false),
    };
    Ok(crate::output::answer(&text)?)
}

/// Asks the server for events.
pub async fn fetch(client: &Client, options: &Events) -> anyhow::Result<Answer> {
    let route = Route::api(["events"])
        .with("after", options.after)
        .with("limit", options.limit)
        .with("type", options.type_.as_ref())
        .with("subject", options.subject.as_ref());
    client.get(&route).await
}

/// The events of an answer.
pub fn list(answer: &Answer) -> anyhow::Result<Vec<Document>> {
    match Document::parse(&answer.body)? {
        Document::List(events) => Ok(events),
        _ => anyhow::bail!("the server's answer is no list of events"),
    }
}

/// Events as a table; `wide` shows their data too.
pub fn table(events: &[Document], wide: bool) -> Table {
    let data = wide.then_some(("DATA", Width::Natural));
    let columns: Vec<_> = COLUMNS.into_iter().chain(data).collect();
    let mut table = Table::new(&columns);
    for event in events {
        let cause = event.get("data").map(|d| word(d, "cause")).unwrap_or_default();
        let data = event.get("data").filter(|_| wide).map(json::compact);
        let member = |key| word(event, key);
        let cells = [member("sequence"), member("time"), member("type"), member("subject"), cause, member("actor")];
        table.row(cells.iter().chain(&data).map(String::as_str));
    }
    table
}

/// A member's text, empty if there is none.
pub fn word(event: &Document, key: &str) -> String {
    match event.get(key) {
        Some(Document::Text(text)) => text.clone(),
        Some(other) if !other.is_empty() => json::compact(other),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_an_event() {
        let body = r#"[{"sequence":"7","time":"2026-01-01T00:00:00.000Z","type":"mcpctl.agent.deactivated.v1",
            "subject":"agent/a","actor":"system/relay","data":{"cause":"disconnected","from":"active"}},
            {"sequence":"8","time":"t","type":"x","subject":"s","data":{}}]"#;
        let events = list(&Answer { body: body.to_owned(), sequence: None }).unwrap();
        let shown = table(&events, false).render(true, false);
        let lines: Vec<Vec<&str>> = shown.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["SEQUENCE", "TIME", "TYPE", "SUBJECT", "CAUSE", "ACTOR"]);
        assert_eq!(lines[1][3..], ["agent/a", "disconnected", "system/relay"]);
        assert_eq!(lines[2], ["8", "t", "x", "s", "-", "-"]);
        assert!(table(&events, true).render(true, false).contains(r#"{"cause":"disconnected","from":"active"}"#));
    }
}
