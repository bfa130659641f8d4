//! Where text goes: the answer to stdout, everything else to stderr; colour only on a terminal that wants it.

pub mod clean;
pub mod document;
pub mod json;
pub mod pages;
pub mod path;
pub mod progress;
pub mod sheet;
pub mod table;
pub mod times;
pub mod yaml;

use crate::clock;
use crate::exit::Usage;
use path::Path;
use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::str::FromStr;
use table::Table;
use times::Times;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for people, cut to fit.
    Table,
    /// More columns, nothing cut.
    Wide,
    /// The server's answer as JSON.
    Json,
    /// Definitions as YAML documents.
    Yaml,
    /// One `kind/name` a line.
    Name,
}

/// `-o`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// How the answer is written.
    pub format: Format,
    /// Which parts of the JSON are; all if there is none.
    pub path: Option<Path>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("jsonpath=") {
            return Ok(Self { format: Format::Json, path: Some(path.parse()?) });
        }
        let format = Format::ALL.into_iter().find(|format| format.word() == text);
        let format = format.ok_or_else(|| {
            let words = Format::ALL.map(Format::word);
            let meant = crate::meant::closest(text, words.into_iter());
            let meant = meant.map(|word| format!("did you mean {word}? ")).unwrap_or_default();
            format!("{meant}it is one of {} and jsonpath=PATH", words.join(", "))
        })?;
        Ok(Self { format, path: None })
    }
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [Format::Table, Format::Wide, Format::Json, Format::Yaml, Format::Name];

    /// Refuses the formats that a command has no meaning for.
    pub fn only(self, known: &[Format], command: &str) -> Result<Self, Usage> {
        if known.contains(&self) {
            return Ok(self);
        }
        let all: Vec<_> = known.iter().map(|f| f.word()).collect();
        Err(Usage(format!("`{command}` has no `-o {}`; it knows: {}", self.word(), all.join(", "))))
    }

    /// As it is given.
    pub fn word(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Wide => "wide",
            Format::Json => "json",
            Format::Yaml => "yaml",
            Format::Name => "name",
        }
    }
}

/// Lines, each with its newline.
pub fn lines_of(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}

/// The two streams of the process, and what may be done to them.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
pub struct Screen {
    /// Escape codes may be written to stdout.
    pub colour_out: bool,
    /// Escape codes may be written to stderr.
    pub colour_err: bool,
    /// stdout is read by a person, so a model's control characters are taken out of it.
    pub terminal_out: bool,
    /// Nothing but answers and errors is wanted.
    pub quiet: bool,
}

impl Screen {
    /// Looks at the process's streams; `NO_COLOR` and `--no-color` switch colour off.
    pub fn detect(no_color: bool, quiet: bool) -> Self {
        let wanted = colour_wanted(no_color);
        let terminal_out = std::io::stdout().is_terminal();
        Screen {
            colour_out: wanted && terminal_out,
            colour_err: wanted && std::io::stderr().is_terminal(),
            terminal_out,
            quiet,
        }
    }

    /// A table as it fits: on a terminal, columns are cut to its width, unless it is `wide`.
    pub fn table(self, table: &Table, wide: bool) -> String {
        table.render_within(wide, self.colour_out, self.width(wide))
    }

    /// Columns of the terminal that stdout is, if it is one, and if what is written is to fit.
    pub fn width(self, wide: bool) -> Option<usize> {
        if self.terminal_out && !wide { terminal_width() } else { None }
    }

    /// How a table shows times: a person wants to know how long ago it was.
    pub fn times(self, wide: bool) -> Times {
        if self.terminal_out && !wide { Times::Before(clock::now()) } else { Times::Exact }
    }

    /// Writes a line beside the answer, unless `-q` was given.
    pub fn note(self, text: &str) {
        if !self.quiet {
            tell(text);
        }
    }
}

/// Whether terminals may get colour: not with `--no-color`, `NO_COLOR` or a terminal that knows none.
pub fn colour_wanted(no_color: bool) -> bool {
    !no_color
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var_os("TERM").is_none_or(|v| v != "dumb")
}

/// Writes a part of the answer.
pub fn answer(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Columns of the terminal that stdout is.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Writes a line beside the answer, even with `-q`.
pub fn tell(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{}", clean::lines(text));
}

/// In lines of so many columns; times and ids stay whole.
pub fn filled(text: &str, width: usize) -> String {
    wrapped(text, width).join("\n")
}

/// The same line by line.
pub fn wrapped(text: &str, width: usize) -> Vec<Cow<'_, str>> {
    let options = textwrap::Options::new(width)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::wrap(text, options)
}
