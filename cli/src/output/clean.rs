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
    replace(text, |c| Some(if matches!(c, '\n' | '\r' | '\t') { ' ' } else { REPLACEMENT }))
}

/// Text of several lines: line feeds and tabs stay, carriage returns go, other steering characters are replaced.
pub fn lines(text: &str) -> Cow<'_, str> {
    replace(text, |c| match c {
        '\n' | '\t' => Some(c),
        '\r' => None,
        _ => Some(REPLACEMENT),
    })
}

/// What a model says: as [`lines`], but what is merely invisible goes without a trace.
///
/// Models write marks and joiners of many scripts; nobody reads a reply as one cell beside others.
pub fn reply(text: &str) -> Cow<'_, str> {
    replace(text, |c| match c {
        '\n' | '\t' => Some(c),
        '\u{2028}' | '\u{2029}' => Some('\n'),
        '\r' => None,
        c if c.is_control() => Some(REPLACEMENT),
        _ => None,
    })
}

/// `instead` says what stands for a steering character, if anything does.
fn replace(text: &str, instead: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if !text.chars().any(|c| steers(c) && instead(c) != Some(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter_map(|c| if steers(c) { instead(c) } else { Some(c) }).collect())
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
        assert_eq!(lines("a\r\nb\rc\u{200e}"), "a\nbc\u{fffd}");
    }

    #[test]
    fn a_reply_shows_no_trace_of_what_is_invisible_but_of_what_is_dangerous() {
        assert_eq!(reply("one\r\ntwo\rthree\u{2028}four\n"), "one\ntwothree\nfour\n");
        assert_eq!(reply("\u{feff}\u{200f}שלום\u{200e} \u{202e}x\u{2066}y\u{2069}"), "שלום xy");
        let evil = reply("\u{1b}[2J\u{9b}2J\u{7}\u{8}");
        assert_eq!(evil, "\u{fffd}[2J\u{fffd}2J\u{fffd}\u{fffd}");
        assert!(matches!(reply("plain\n\ttext"), Cow::Borrowed(_)));
    }

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in ["naïve — 東京 👩\u{200d}💻", "שלום", "می\u{200c}خواهم"] {
            assert!(matches!(line(text), Cow::Borrowed(t) if t == text));
        }
    }
}
