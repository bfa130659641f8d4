//! What others wrote, as a terminal may show it.

/// Longest text that is shown, in characters.
const LONGEST: usize = 300;

/// One line of it, without what steers a terminal or reorders text, and not too long.
pub fn line(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal_or_forges_a_line() {
        assert_eq!(line("a\u{1b}[31mb\u{7}\nserver ok\u{202e}"), "a\u{fffd}[31mb\u{fffd}\u{fffd}server ok\u{fffd}");
        assert_eq!(line("qwen2.5:7b — 東京"), "qwen2.5:7b — 東京");
        assert_eq!(line(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
