//! Columns that line up, whatever script is in them.

use super::clean;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How wide a column is, in terminal cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// As wide as its widest cell.
    Natural,
    /// At least that wide; longer cells widen it.
    AtLeast(usize),
    /// Exactly that wide; longer cells are cut with `…`.
    Exact(usize),
    /// As wide as its widest cell, but cells beyond that are cut with `…`.
    AtMost(usize),
}

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Width)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows.
    pub fn new(columns: &[(&'static str, Width)]) -> Self {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; empty cells show as `-`.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        let cell = |c: &str| if c.trim().is_empty() { "-".to_owned() } else { clean::line(c).into_owned() };
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, a line a row, without spaces at line ends.
    ///
    /// `wide` cuts nothing; `colour` paints the STATUS column.
    pub fn render(&self, wide: bool, colour: bool) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|i| self.width(i, wide)).collect();
        let titles: Vec<String> = self.columns.iter().map(|c| c.0.to_owned()).collect();
        let mut out = String::new();
        for (n, row) in std::iter::once(&titles).chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (i, cell) in row.iter().enumerate() {
                let shown = cut(cell, widths[i]);
                let padding = widths[i] - shown.width();
                let paint = colour && n > 0 && self.columns[i].0 == "STATUS";
                line += &if paint { painted(&shown) } else { shown };
                line += &" ".repeat(padding + 2);
            }
            out += line.trim_end();
            out.push('\n');
        }
        out
    }

    fn width(&self, column: usize, wide: bool) -> usize {
        let (title, width) = self.columns[column];
        let cells = self.rows.iter().map(|r| r[column].width());
        let natural = cells.chain([title.width()]).max().unwrap_or(0);
        match width {
            _ if wide => natural,
            Width::Natural => natural,
            Width::AtLeast(least) => natural.max(least),
            Width::Exact(exact) => exact,
            Width::AtMost(most) => natural.min(most),
        }
    }
}

/// The text in at most `width` cells; what is cut ends in `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1; // the ellipsis
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept.trim_end().to_owned() + "…"
}

fn painted(status: &str) -> String {
    let code = match status.split(' ').next().unwrap_or(status) {
        "active" => "32",
        "inactive" => "31",
        "hibernating" => "33",
        _ => return status.to_owned(),
    };
    format!("\u{1b}[{code}m{status}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_fits_and_says_so() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("ab cdefg", 4), "ab…");
    }

    #[test]
    fn wide_characters_count_as_two_cells() {
        assert_eq!(cut("東京都庁", 8), "東京都庁");
        assert_eq!(cut("東京都庁舎", 8), "東京都…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 3), "e\u{301}e\u{301}e\u{301}");
        for width in 1..12 {
            assert!(cut("a東b京c都d", width).width() <= width);
        }
    }

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let mut table = Table::new(&[("NAME", Width::Natural), ("LLM", Width::Exact(6)), ("NOTE", Width::AtMost(5))]);
        table.row(["東京", "vllm-local", ""]);
        table.row(["b", "x", "one two"]);
        assert_eq!(table.render(false, false), "NAME  LLM     NOTE\n東京  vllm-…  -\nb     x       one…\n");
        assert_eq!(
            table.render(true, false),
            "NAME  LLM         NOTE\n東京  vllm-local  -\nb     x           one two\n"
        );
    }

    #[test]
    fn only_the_status_is_painted_and_only_on_request() {
        let mut table = Table::new(&[("STATUS", Width::AtLeast(10)), ("X", Width::Natural)]);
        table.row(["active", "active"]);
        assert_eq!(table.render(false, true), "STATUS      X\n\u{1b}[32mactive\u{1b}[0m      active\n");
        assert!(!table.render(false, false).contains('\u{1b}'));
    }
}
