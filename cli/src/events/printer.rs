//! Writes events page by page, as one answer.

use super::table;
use crate::output::document::Document;
use crate::output::pages::Pages;
use crate::output::table::Table;
use crate::output::times::Times;
use crate::output::{self, Format, Screen, clean, json, lines_of};

/// Writes one list of events. Holds no event longer than its page.
pub struct Printer {
    format: Format,
    screen: Screen,
    pages: Pages,
    table: Table,
    is_empty: bool,
    /// The list has no end: each event stands for itself.
    follows: bool,
}

impl Printer {
    /// A list of which nothing is written yet.
    pub fn new(format: Format, screen: Screen) -> Self {
        Printer {
            format,
            screen,
            pages: Pages::new(format),
            table: table::empty(format == Format::Wide),
            is_empty: true,
            follows: false,
        }
    }

    /// A list that never ends: as JSON, an event a line.
    pub fn following(format: Format, screen: Screen) -> Self {
        Printer { follows: true, ..Self::new(format, screen) }
    }

    /// Writes a page.
    pub fn page(&mut self, events: &[Document]) -> std::io::Result<()> {
        let text = self.text(events);
        self.is_empty &= events.is_empty();
        output::answer(&text)
    }

    /// Whether there was no event so far.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Writes what closes the list.
    pub fn end(self) -> std::io::Result<()> {
        output::answer(self.pages.end())
    }

    fn text(&mut self, events: &[Document]) -> String {
        match self.format {
            Format::Json if self.follows => lines_of(events.iter().map(json::compact)),
            Format::Json | Format::Yaml => self.pages.text(events),
            Format::Name => {
                lines_of(events.iter().map(|e| format!("event/{}", clean::line(&super::word(e, "sequence")))))
            }
            Format::Table | Format::Wide => {
                let (wide, screen) = (self.format == Format::Wide, self.screen);
                // What goes on stands there for longer: its time is no age.
                let times = if self.follows { Times::Exact } else { screen.times(wide) };
                let width = screen.width(wide);
                let style = table::Style { times, is_short: width.is_some() };
                table::fill(&mut self.table, events, wide, style);
                self.table.flush(width.is_none(), screen.colour_out, width)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { colour_out: false, colour_err: false, terminal_out: false, quiet: false };

    fn event(sequence: u64, subject: &str) -> Document {
        Document::parse(&format!(r#"{{"sequence":"{sequence}","time":"t","type":"x","subject":"{subject}"}}"#)).unwrap()
    }

    fn pages(format: Format) -> String {
        pages_of(Printer::new(format, PLAIN))
    }

    fn pages_of(mut printer: Printer) -> String {
        let mut text = String::new();
        for page in [&[event(9, "a/b"), event(10, "a/c")][..], &[event(11, "a/longer")], &[]] {
            text += &printer.text(page);
            printer.is_empty &= page.is_empty();
        }
        text
    }

    #[test]
    fn pages_make_one_answer() {
        let list = Document::List(vec![event(9, "a/b"), event(10, "a/c"), event(11, "a/longer")]);
        assert_eq!(pages(Format::Json) + "\n]", json::pretty(&list));
        assert_eq!(pages(Format::Yaml).matches("---\n").count(), 2);
        assert!(!pages(Format::Yaml).starts_with("---"));
        assert_eq!(pages(Format::Name), "event/9\nevent/10\nevent/11\n");
    }

    #[test]
    fn a_list_without_end_has_an_event_a_line() {
        let shown = pages_of(Printer::following(Format::Json, PLAIN));
        let read = |line: &str| Document::parse(line).unwrap();
        assert_eq!(
            shown.lines().map(read).collect::<Vec<_>>(),
            [event(9, "a/b"), event(10, "a/c"), event(11, "a/longer")]
        );
    }

    #[test]
    fn the_titles_stand_once_above_all_pages() {
        let shown = pages(Format::Table);
        assert_eq!((shown.matches("SEQUENCE").count(), shown.lines().count()), (1, 4), "{shown}");
    }
}
