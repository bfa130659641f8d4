//! `history`: what happened to one agent or Llm, the newest first; also to one that is gone.

use crate::args::One;
use crate::client::Client;
use crate::client::route::Route;
use crate::events::word;
use crate::output::document::Document;
use crate::output::table::{Table, Width};
use crate::output::times::Times;
use crate::output::{self, Format, json, yaml};
use crate::shell::Shell;

const FORMATS: [Format; 4] = [Format::Table, Format::Wide, Format::Json, Format::Yaml];
/// Events that are asked for at once.
const PAGE: usize = 1000;

/// Shows it.
pub async fn run(shell: &Shell, options: &One) -> anyhow::Result<()> {
    let format = shell.format(&FORMATS, "history")?;
    let client = shell.client()?;
    let events = read(&client, options, usize::MAX, None).await?;
    match format {
        Format::Json => {
            let all = Document::List(events);
            shell.answer_json(&json::compact(&all))
        }
        Format::Yaml => Ok(output::answer(&events.iter().map(yaml::write).collect::<Vec<_>>().join("---\n"))?),
        _ => {
            let wide = format == Format::Wide;
            Ok(output::answer(&shell.screen.table(&table(&events, wide, shell.screen.times(wide)), wide))?)
        }
    }
}

/// The events of a row up to a sequence, the newest first; at most so many.
///
/// # Errors
/// Among others: there never was such a row.
pub async fn read(client: &Client, of: &One, most: usize, until: Option<u64>) -> anyhow::Result<Vec<Document>> {
    let (mut events, mut before) = (Vec::new(), until.map(|until| (until + 1).to_string()));
    loop {
        let asked = PAGE.min(most - events.len());
        let route = Route::api([of.noun.list(), &of.name, "history"]).with("limit", Some(asked)).with("before", before);
        let answer = client.get(&route).await?;
        let Document::List(page) = Document::parse(&answer.body)? else { return Ok(events) };
        let got = page.len();
        before = page.last().map(|oldest| word(oldest, "sequence"));
        events.extend(page);
        if got < asked || events.len() >= most {
            return Ok(events);
        }
    }
}

fn table(events: &[Document], wide: bool, times: Times) -> Table {
    let columns = ["SEQUENCE", "TIME", "EVENT", "CAUSE", "CHANGE", "ACTOR"].into_iter().chain(wide.then_some("DATA"));
    let mut table = Table::new(&columns.map(|title| (title, Width::Natural)).collect::<Vec<_>>());
    for event in events {
        let data = event.get("data");
        let of_data = |key| data.map(|data| word(data, key)).unwrap_or_default();
        let cells = [
            word(event, "sequence"),
            times.shown(&word(event, "time")),
            what(event).to_owned(),
            of_data("cause"),
            change(&of_data("from"), &of_data("to"), &of_data("version")),
            word(event, "actor"),
        ];
        let all = wide.then(|| data.map(json::compact).unwrap_or_default());
        table.row(cells.iter().chain(&all).map(String::as_str));
    }
    table
}

/// The word in the middle of the type: `deactivated`.
pub fn what(event: &Document) -> &str {
    match event.get("type") {
        Some(Document::Text(kind)) => kind.split('.').nth(2).unwrap_or(kind),
        _ => "",
    }
}

fn change(from: &str, to: &str, version: &str) -> String {
    let status = match (from, to) {
        (from, to) if from == to => String::new(),
        ("", to) => to.to_owned(),
        (from, "") => format!("{from} → gone"),
        (from, to) => format!("{from} → {to}"),
    };
    let version = if version.is_empty() { String::new() } else { format!("version {version}") };
    [status, version].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_changed_and_why() {
        let event = |what: &str, data: &str| {
            let text = format!(
                r#"{{"sequence":"7","time":"T","type":"mcpctl.agent.{what}.v1","actor":"user/ann","data":{data}}}"#
            );
            Document::parse(&text).unwrap()
        };
        let events = [
            event("deleted", r#"{"cause":"retention","from":"inactive","to":null}"#),
            event("deactivated", r#"{"cause":"disconnected","from":"active","to":"inactive"}"#),
            event("updated", r#"{"cause":"user","from":"active","to":"active","version":2}"#),
            event("registered", r#"{"cause":"registered","from":null,"to":"active","version":1}"#),
        ];
        assert_eq!(
            table(&events, false, Times::Exact).render(false, false),
            "SEQUENCE  TIME  EVENT        CAUSE         CHANGE             ACTOR\n\
             7         T     deleted      retention     inactive → gone    user/ann\n\
             7         T     deactivated  disconnected  active → inactive  user/ann\n\
             7         T     updated      user          version 2          user/ann\n\
             7         T     registered   registered    active, version 1  user/ann\n"
        );
    }
}
