//! The table of events.

use super::word;
use crate::output::document::Document;
use crate::output::json;
use crate::output::table::{Table, Width};

const COLUMNS: [&str; 6] = ["SEQUENCE", "TIME", "TYPE", "SUBJECT", "CAUSE", "ACTOR"];

/// A table without events; a `wide` one has a column for their data.
pub fn empty(wide: bool) -> Table {
    let titles = COLUMNS.into_iter().chain(wide.then_some("DATA"));
    Table::new(&titles.map(|title| (title, Width::Natural)).collect::<Vec<_>>())
}

/// Adds events to a table that is as `wide`.
pub fn fill(table: &mut Table, events: &[Document], wide: bool) {
    for event in events {
        let cause = event.get("data").map(|d| word(d, "cause")).unwrap_or_default();
        let data = wide.then(|| event.get("data").map(json::compact).unwrap_or_default());
        let member = |key| word(event, key);
        let cells = [member("sequence"), member("time"), member("type"), member("subject"), cause, member("actor")];
        table.row(cells.iter().chain(&data).map(String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(events: &[Document], wide: bool) -> String {
        let mut table = empty(wide);
        fill(&mut table, events, wide);
        table.render(true, false)
    }

    #[test]
    fn the_table_has_a_line_an_event() {
        let event = |text| Document::parse(text).unwrap();
        let events = [
            event(
                r#"{"sequence":"7","time":"2026-01-01T00:00:00.000Z","type":"mcpctl.agent.deactivated.v1",
                "subject":"agent/a","actor":"system/relay","data":{"cause":"disconnected","from":"active"}}"#,
            ),
            event(r#"{"sequence":"8","time":"t","type":"x","subject":"s"}"#),
        ];
        let narrow = shown(&events, false);
        let lines: Vec<Vec<&str>> = narrow.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0], COLUMNS);
        assert_eq!(lines[1][3..], ["agent/a", "disconnected", "system/relay"]);
        assert_eq!(lines[2], ["8", "t", "x", "s", "-", "-"]);
        let wide = shown(&events, true);
        assert!(wide.contains(r#"{"cause":"disconnected","from":"active"}"#) && wide.ends_with("-\n"), "{wide}");
    }
}
