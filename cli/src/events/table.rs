//! The table of events.

use super::word;
use crate::output::document::Document;
use crate::output::json;
use crate::output::table::{Table, Width};
use crate::output::times::Times;

const COLUMNS: [(&str, Width); 6] = [
    ("SEQUENCE", Width::Natural),
    ("TIME", Width::Natural),
    ("TYPE", Width::AtMost(60)),
    ("SUBJECT", Width::AtMost(60)),
    ("CAUSE", Width::AtMost(24)),
    ("ACTOR", Width::AtMost(40)),
];

/// A table without events; a `wide` one has a column for their data.
pub fn empty(wide: bool) -> Table {
    Table::new(&COLUMNS.into_iter().chain(wide.then_some(("DATA", Width::Natural))).collect::<Vec<_>>())
}

/// How events are shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// When they were.
    pub times: Times,
    /// What all types have in common is left out.
    pub is_short: bool,
}

impl Style {
    /// As programs read it.
    #[cfg(test)]
    pub const EXACT: Self = Self { times: Times::Exact, is_short: false };
}

/// `agent.registered` of `mcpctl.agent.registered.v1`.
fn short(type_: &str) -> &str {
    let bare = type_.strip_prefix("mcpctl.").unwrap_or(type_);
    bare.strip_suffix(".v1").unwrap_or(bare)
}

/// Adds events to a table that is as `wide`.
pub fn fill(table: &mut Table, events: &[Document], wide: bool, style: Style) {
    for event in events {
        let cause = event.get("data").map(|d| word(d, "cause")).unwrap_or_default();
        let data = wide.then(|| event.get("data").map(json::compact).unwrap_or_default());
        let member = |key| word(event, key);
        let time = style.times.shown(&member("time"));
        let type_ = member("type");
        let type_ = if style.is_short { short(&type_) } else { &type_ };
        let cells = [member("sequence"), time, type_.to_owned(), member("subject"), cause, member("actor")];
        table.row(cells.iter().chain(&data).map(String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(events: &[Document], wide: bool) -> String {
        let mut table = empty(wide);
        fill(&mut table, events, wide, Style::EXACT);
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
        assert_eq!(lines[0], COLUMNS.map(|(title, _)| title));
        assert_eq!(lines[1][3..], ["agent/a", "disconnected", "system/relay"]);
        assert_eq!(lines[2], ["8", "t", "x", "s", "-", "-"]);
        let wide = shown(&events, true);
        assert!(wide.contains(r#"{"cause":"disconnected","from":"active"}"#) && wide.ends_with("-\n"), "{wide}");
    }
}
