//! `Key: value` lines that line up, for one thing seen whole.

use super::clean;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

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
        let width = self.lines.iter().map(|(k, _)| k.width() + 1).max().unwrap_or(0);
        let mut out = String::new();
        for (key, value) in &self.lines {
            if value.contains('\n') {
                let _ = writeln!(out, "{key}:");
                for line in value.trim_end_matches('\n').split('\n') {
                    let _ = writeln!(out, "{}", format!("  {line}").trim_end());
                }
            } else {
                let padding = width - key.width() - 1;
                let _ = writeln!(out, "{key}: {:padding$}{value}", "");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
