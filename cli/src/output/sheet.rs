//! `Key: value` lines that line up, for one thing seen whole.

use super::{clean, wrapped};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Cells that a value keeps where a terminal is narrow.
const LEAST: usize = 16;

/// A sheet under construction.
#[derive(Debug, Default)]
pub struct Sheet {
    lines: Vec<(String, String)>,
}

impl Sheet {
    /// Adds a line; an empty value shows as `-`, further lines of a value are indented below it.
    pub fn line(&mut self, key: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        let value = if value.trim().is_empty() { "-".to_owned() } else { clean::lines(value).into_owned() };
        self.lines.push((key.to_owned(), value));
    }

    /// Adds a line, if there is a value.
    pub fn optional(&mut self, key: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.line(key, value);
        }
    }

    /// The sheet as text.
    pub fn render(&self) -> String {
        self.render_within(None)
    }

    /// The same in lines of about `most` cells: what is longer goes on below.
    pub fn render_within(&self, most: Option<usize>) -> String {
        let width = self.lines.iter().map(|(k, _)| k.width() + 1).max().unwrap_or(0);
        let room = most.map(|most| most.saturating_sub(width + 1).max(LEAST));
        let mut out = String::new();
        for (key, value) in &self.lines {
            if value.contains('\n') {
                let _ = writeln!(out, "{key}:");
                for line in value.trim_end_matches('\n').split('\n') {
                    let _ = writeln!(out, "{}", format!("  {line}").trim_end());
                }
            } else {
                let padding = width - key.width() - 1;
                let pieces = room.map_or_else(|| vec![value.into()], |room| wrapped(value, room));
                for (index, piece) in pieces.iter().enumerate() {
                    let _ = match index {
                        0 => writeln!(out, "{key}: {:padding$}{piece}", ""),
                        _ => writeln!(out, "{:indent$}{piece}", "", indent = width + 1),
                    };
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_the_terminal_goes_on_below() {
        let mut sheet = Sheet::default();
        sheet.line("Name", "a");
        sheet.line("Description", "many words that are too long");
        assert_eq!(
            sheet.render_within(Some(30)),
            "Name:        a\nDescription: many words that\n             are too long\n"
        );
    }

    #[test]
    fn values_line_up_and_long_ones_go_below() {
        let mut sheet = Sheet::default();
        sheet.line("Name", "a");
        sheet.line("System prompt", "one\n\ntwo\n");
        sheet.optional("Nothing", None::<&str>);
        sheet.line("Tier", "");
        sheet.line("Description", "evil \u{1b}[2J");
        assert_eq!(
            sheet.render(),
            "Name:          a\nSystem prompt:\n  one\n\n  two\nTier:          -\nDescription:   evil \u{fffd}[2J\n"
        );
    }
}
