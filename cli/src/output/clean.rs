//! Keeps what a stranger wrote from steering the reader's terminal.

use std::borrow::Cow;

/// Stands where a character was taken out.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character can move the cursor, recolour, reorder or hide text.
///
/// Joiners (U+200C, U+200D) stay: several scripts and emoji need them.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// One line of it: line breaks and tabs become spaces, other steering characters are replaced.
pub fn line(text: &str) -> Cow<'_, str> {
    replace(text, |c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { REPLACEMENT }, |_| false)
}

/// Text of several lines: line feeds and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    replace(text, |_| REPLACEMENT, |c| matches!(c, '\n' | '\t'))
}

fn replace(text: &str, with: impl Fn(char) -> char, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| steers(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if steers(c) && !keep(c) { with(c) } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_characters_never_pass() {
        let evil = "evil \u{1b}[31mred\u{7} \u{202e}text \u{9b}2J \u{e0041}\u{2066}";
        for cleaned in [line(evil), lines(evil)] {
            assert!(!cleaned.chars().any(steers), "{cleaned:?}");
            assert!(cleaned.starts_with("evil \u{fffd}[31mred\u{fffd} \u{fffd}text"));
        }
    }

    #[test]
    fn line_breaks_stay_only_where_lines_are_wanted() {
        assert_eq!(line("a\r\n\tb"), "a   b");
        assert_eq!(lines("a\n\tb"), "a\n\tb");
    }

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in ["naïve — 東京 👩\u{200d}💻", "שלום", "می\u{200c}خواهم"] {
            assert!(matches!(line(text), Cow::Borrowed(t) if t == text));
        }
    }
}
