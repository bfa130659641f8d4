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
    /// As wide as its widest cell, and left out where lines would be too long.
    Spare,
}

/// A terminal that has fewer columns shows less than whole names.
const TIGHT: usize = 60;
const LEAST_NAME: usize = 14;
/// Cells that a text keeps where a terminal is narrow.
const LEAST: usize = 8;

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Width)>,
    rows: Vec<Vec<String>>,
    /// Widths of the columns that were flushed; empty before.
    flushed: Vec<usize>,
}

impl Table {
    /// A table with these columns and no rows.
    pub fn new(columns: &[(&'static str, Width)]) -> Self {
        Table { columns: columns.to_vec(), rows: Vec::new(), flushed: Vec::new() }
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

    /// Puts a column before all others.
    pub fn lead<'a>(&mut self, title: &'static str, cells: impl IntoIterator<Item = &'a str>) {
        self.columns.insert(0, (title, Width::Natural));
        for (row, cell) in self.rows.iter_mut().zip(cells) {
            row.insert(0, cell.to_owned());
        }
    }

    /// Puts a column behind all others; empty cells show as `-`.
    pub fn trail(&mut self, title: &'static str, cells: impl IntoIterator<Item = String>) {
        self.columns.push((title, Width::Natural));
        for (row, cell) in self.rows.iter_mut().zip(cells) {
            row.push(if cell.is_empty() { "-".to_owned() } else { cell });
        }
    }

    /// Adds the rows of a table of the same columns.
    pub fn take_rows(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// The table as text, a line a row, without spaces at line ends.
    ///
    /// `wide` cuts nothing; `colour` paints the STATUS column.
    #[cfg(any(feature = "dev", test))]
    pub fn render(&self, wide: bool, colour: bool) -> String {
        self.render_within(wide, colour, None)
    }

    /// The same in lines of at most `most` cells: texts are cut first, and then the line.
    pub fn render_within(&self, wide: bool, colour: bool, most: Option<usize>) -> String {
        let mut widths = self.widths(wide);
        let Some(most) = most else { return self.titles(&widths) + &self.lines(&widths, colour) };
        if cells(&widths) > most
            && let Some(spare) = self.columns.iter().position(|(_, width)| *width == Width::Spare)
        {
            return self.without(spare).render_within(wide, colour, Some(most));
        }
        self.narrow(&mut widths, most);
        fitted(&(self.titles(&widths) + &self.lines(&widths, colour)), most)
    }

    fn without(&self, column: usize) -> Self {
        let mut rest = Table { columns: self.columns.clone(), rows: self.rows.clone(), flushed: Vec::new() };
        rest.columns.remove(column);
        for row in &mut rest.rows {
            row.remove(column);
        }
        rest
    }

    /// Takes what no cell needs, and then from the widest columns of texts, each of which keeps room for its title.
    fn narrow(&self, widths: &mut [usize], most: usize) {
        if cells(widths) > most {
            for (column, width) in widths.iter_mut().enumerate() {
                *width = (*width).min(self.natural(column));
            }
        }
        let is_text = |column: usize| matches!(self.columns[column].1, Width::Exact(_) | Width::AtMost(_));
        while cells(widths) > most {
            let can_give =
                |column: &usize| is_text(*column) && widths[*column] > self.columns[*column].0.width().max(LEAST);
            let Some(widest) = (0..widths.len()).filter(can_give).max_by_key(|column| widths[*column]) else { break };
            widths[widest] -= 1;
        }
        // Where there is room for little, what a row is called gives way to how it is.
        let has_name = self.columns.first().is_some_and(|(title, _)| *title == "NAME");
        while has_name && most < TIGHT && cells(widths) > most && widths[0] > LEAST_NAME {
            widths[0] -= 1;
        }
    }

    /// The rows since the last time as text, and then forgets them; the titles stand above the first.
    ///
    /// Columns never become narrower, so that what follows lines up with what was there, unless it is longer.
    pub fn flush(&mut self, wide: bool, colour: bool, most: Option<usize>) -> String {
        let mut widths = self.widths(wide);
        if let Some(most) = most {
            self.narrow(&mut widths, most);
        }
        let titles = if self.flushed.is_empty() { self.titles(&widths) } else { String::new() };
        let text = titles + &self.lines(&widths, colour);
        self.rows.clear();
        self.flushed = widths;
        most.map_or(text.clone(), |most| fitted(&text, most))
    }

    fn titles(&self, widths: &[usize]) -> String {
        let titles = self.columns.iter().zip(widths);
        line(titles.map(|((title, _), &width)| (cut(title, width), width, None)))
    }

    fn lines(&self, widths: &[usize], colour: bool) -> String {
        let cell = |(i, cell): (usize, &String)| {
            let shown = cut(cell, widths[i]);
            let code = status_code(&shown).filter(|_| colour && self.columns[i].0 == "STATUS");
            (shown, widths[i], code)
        };
        self.rows.iter().map(|row| line(row.iter().enumerate().map(cell))).collect()
    }

    fn widths(&self, wide: bool) -> Vec<usize> {
        (0..self.columns.len()).map(|i| self.width(i, wide)).collect()
    }

    /// As wide as its title and its widest cell.
    fn natural(&self, column: usize) -> usize {
        let texts = self.rows.iter().map(|row| row[column].width());
        let before = self.flushed.get(column).copied();
        texts.chain([self.columns[column].0.width()]).chain(before).max().unwrap_or(0)
    }

    fn width(&self, column: usize, wide: bool) -> usize {
        let natural = self.natural(column);
        match self.columns[column].1 {
            _ if wide => natural,
            Width::Natural | Width::Spare => natural,
            Width::AtLeast(least) => natural.max(least),
            Width::Exact(exact) => exact,
            Width::AtMost(most) => natural.min(most),
        }
    }
}

/// Cells of a line of columns.
fn cells(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

/// Lines of at most `most` cells.
fn fitted(text: &str, most: usize) -> String {
    text.lines().map(|line| fit(line, most) + "\n").collect()
}

/// One line of cells, each with the width of its column and the colour that it is painted in, if any.
fn line(cells: impl Iterator<Item = (String, usize, Option<&'static str>)>) -> String {
    let mut line = String::new();
    for (shown, width, code) in cells {
        let padding = " ".repeat(width.saturating_sub(shown.width()) + 2);
        line += &code.map_or_else(|| shown.clone(), |code| format!("\u{1b}[{code}m{shown}\u{1b}[0m"));
        line += &padding;
    }
    line.truncate(line.trim_end().len());
    line + "\n"
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
    let mut kept: String = text.chars().take_while(fits).collect();
    // What stands together may be wider than its characters: a sign that is shown as an emoji, for one.
    while kept.width() + 1 > width && kept.pop().is_some() {}
    kept.trim_end().to_owned() + "…"
}

/// The cells that a line takes; what it is painted with takes none.
pub fn columns(line: &str) -> usize {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().width();
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, text)| text.width())).sum::<usize>()
}

/// A line of a table in at most `width` cells; what it is painted with takes none.
pub fn fit(line: &str, width: usize) -> String {
    let (mut plain, mut codes, mut rest) = (String::new(), Vec::new(), line);
    while let Some((text, painted)) = rest.split_once('\u{1b}') {
        plain += text;
        let (code, after) = painted.split_once('m').unwrap_or((painted, ""));
        codes.push((plain.len(), format!("\u{1b}{code}m")));
        rest = after;
    }
    plain += rest;
    let mut shown = cut(&plain, width);
    let end = shown.len();
    let kept = if shown == plain { end } else { end - '…'.len_utf8() };
    // What is painted behind the cut is so at the end.
    for (at, code) in codes.iter().rev() {
        shown.insert_str(if *at > kept { end } else { *at }, code);
    }
    shown
}

fn status_code(status: &str) -> Option<&'static str> {
    match status.split(' ').next().unwrap_or(status) {
        "active" | "completed" => Some("32"),
        "inactive" => Some("90"),
        "hibernating" | "running" | "claimed" => Some("34"),
        "error" => Some("31"),
        "disabled" => Some("35"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_room_is_tight_a_name_gives_way_to_what_is_behind_it() {
        let mut table = Table::new(&[("NAME", Width::Natural), ("STATUS", Width::AtLeast(10))]);
        table.row(["a-name-of-some-length-that-goes-on", "active"]);
        let row = |most| table.render_within(false, false, Some(most)).lines().nth(1).map(str::to_owned);
        assert_eq!(row(30).as_deref(), Some("a-name-of-some-length…  active"));
        assert_eq!(row(70).as_deref(), Some("a-name-of-some-length-that-goes-on  active"));
    }

    #[test]
    fn a_spare_column_goes_before_anything_is_cut() {
        let mut table = Table::new(&[("NAME", Width::Natural), ("MODEL", Width::AtMost(40)), ("ID", Width::Spare)]);
        table.row(["qwen", "Qwen/Qwen3-8B", "01a221c7"]);
        assert_eq!(
            table.render_within(false, false, Some(31)),
            "NAME  MODEL          ID\nqwen  Qwen/Qwen3-8B  01a221c7\n"
        );
        assert_eq!(table.render_within(false, false, Some(25)), "NAME  MODEL\nqwen  Qwen/Qwen3-8B\n");
        assert_eq!(table.render_within(false, false, Some(16)), "NAME  MODEL\nqwen  Qwen/Qwen…\n");
        assert!(table.render(false, false).contains("01a221c7"));
    }

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
        for text in ["a東b京c都d", &"❤️".repeat(26), "⚠️1️⃣⚙️x👩‍👩‍👧‍👦y"] {
            for width in 1..52 {
                assert!(cut(text, width).width() <= width, "{text} in {width}");
            }
        }
        let mut table = Table::new(&[("A", Width::Exact(50)), ("B", Width::Natural)]);
        table.row([&*"❤️".repeat(26), "b"]);
        assert!(table.render(false, false).contains('…'));
    }

    #[test]
    fn a_painted_line_fits_and_stays_painted() {
        let line = "a  \u{1b}[32mactive\u{1b}[0m  東京";
        assert_eq!(columns(line), 15);
        assert_eq!(fit(line, 20), line);
        assert_eq!(fit(line, 13), "a  \u{1b}[32mactive\u{1b}[0m…");
        for width in 1..16 {
            assert!(fit(line, width).ends_with('…') || fit(line, width).contains("\u{1b}[0m"), "{width}");
        }
        assert_eq!(fit(line, 6), "a  \u{1b}[32mac…\u{1b}[0m");
        assert_eq!(fit(line, 2), "a…\u{1b}[32m\u{1b}[0m");
    }

    #[test]
    fn a_narrow_terminal_cuts_texts_before_lines() {
        let mut table =
            Table::new(&[("NAME", Width::Natural), ("LLM", Width::Exact(24)), ("DESCRIPTION", Width::Exact(50))]);
        table.row(["local-coder", "vllm-local", &"words ".repeat(20)]);
        for most in [10, 24, 40, 60, 80, 200] {
            let shown = table.render_within(false, true, Some(most));
            assert!(shown.lines().all(|line| line.width() <= most), "{most}: {shown}");
        }
        let narrow = table.render_within(false, false, Some(40));
        assert_eq!(narrow.lines().next(), Some("NAME         LLM         DESCRIPTION"));
        assert_eq!(narrow.lines().nth(1), Some("local-coder  vllm-local  words words wo…"));
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
    fn pages_line_up_below_one_line_of_titles() {
        let mut table = Table::new(&[("A", Width::Natural), ("B", Width::Natural)]);
        table.row(["long", "x"]);
        assert_eq!(table.flush(true, false, None), "A     B\nlong  x\n");
        table.row(["s", "y"]);
        assert_eq!(table.flush(true, false, None), "s     y\n");
        table.row(["longer", "z"]);
        assert_eq!(table.flush(true, false, None), "longer  z\n");
        assert_eq!(table.flush(true, false, None), "");
    }

    #[test]
    fn only_the_status_is_painted_and_only_on_request() {
        let mut table = Table::new(&[("STATUS", Width::AtLeast(10)), ("X", Width::Natural)]);
        table.row(["active", "active"]);
        assert_eq!(table.render(false, true), "STATUS      X\n\u{1b}[32mactive\u{1b}[0m      active\n");
        assert!(!table.render(false, false).contains('\u{1b}'));
    }
}
