//! YAML for editing: block style, texts of several lines as literal blocks, steering characters escaped.
//!
//! Written here because the emitters of the YAML crates print bidi controls as they are.

use super::{clean::steers, document::Document, json};
use std::fmt::Write;

/// Longest key that may stand before its colon, in bytes; readers allow 1024 characters.
const LONGEST_KEY: usize = 1000;
/// Words that some YAML reader takes for something else than a string.
const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// Writes a document, with a newline at the end.
pub fn write(document: &Document) -> String {
    let mut out = String::new();
    match document {
        Document::Map(_) | Document::List(_) if !document.is_empty() => block(document, 0, &mut out),
        scalar => {
            out.push_str(&flat(scalar));
            out.push('\n');
        }
    }
    out
}

fn block(document: &Document, indent: usize, out: &mut String) {
    match document {
        Document::Map(members) => {
            for (key, value) in members {
                let key = text(key);
                // A longer one is no simple key (YAML 1.2.2, 7.4.2).
                let _ = if key.len() > LONGEST_KEY {
                    write!(out, "{:indent$}? {key}\n{:indent$}:", "", "")
                } else {
                    write!(out, "{:indent$}{key}:", "")
                };
                member(value, indent, out);
            }
        }
        Document::List(items) => {
            for item in items {
                let _ = write!(out, "{:indent$}-", "");
                item_of_list(item, indent, out);
            }
        }
        scalar => {
            let _ = writeln!(out, "{:indent$}{}", "", flat(scalar));
        }
    }
}

fn member(value: &Document, indent: usize, out: &mut String) {
    match value {
        Document::Map(_) if !value.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Document::List(_) if !value.is_empty() => {
            out.push('\n');
            block(value, indent, out);
        }
        scalar => scalar_after(scalar, indent, out),
    }
}

fn item_of_list(item: &Document, indent: usize, out: &mut String) {
    match item {
        Document::Map(_) | Document::List(_) if !item.is_empty() => {
            let mut nested = String::new();
            block(item, indent + 2, &mut nested);
            // The dash and its space stand where the first line's indentation would.
            let _ = write!(out, " {}", &nested[indent + 2..]);
        }
        scalar => scalar_after(scalar, indent, out),
    }
}

fn scalar_after(scalar: &Document, indent: usize, out: &mut String) {
    if let Document::Text(text) = scalar
        && fits_literal_block(text)
    {
        let chomp = if text.ends_with("\n\n") {
            "+"
        } else if text.ends_with('\n') {
            ""
        } else {
            "-"
        };
        let _ = writeln!(out, " |{chomp}");
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            let width = if line.is_empty() { 0 } else { indent + 2 };
            let _ = writeln!(out, "{:width$}{line}", "");
        }
        return;
    }
    let _ = writeln!(out, " {}", flat(scalar));
}

fn fits_literal_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(|c: char| c.is_whitespace())
        && !text.chars().any(|c| steers(c) && !matches!(c, '\n' | '\t'))
}

fn flat(scalar: &Document) -> String {
    match scalar {
        Document::Token(token) => number(token),
        Document::Text(string) => text(string),
        Document::List(_) => "[]".to_owned(),
        Document::Map(_) => "{}".to_owned(),
    }
}

/// Spells an exponent so that YAML 1.1 readers take it for a number too.
fn number(token: &str) -> String {
    let exponent = token.split_once(['e', 'E']).filter(|_| token.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    let Some((mantissa, exponent)) = exponent else { return token.to_owned() };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { escape_wide(&json::quote(text)) }
}

fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic())
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text.chars().all(|c| c.is_alphanumeric() || " _./@-,'()+;!?=:…—–".contains(c))
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str())
}

/// JSON spells a character above U+FFFF as two surrogates; YAML wants one `\U`.
fn escape_wide(quoted: &str) -> String {
    if !quoted.contains("\\udb40") {
        return quoted.to_owned();
    }
    // The tag characters U+E0000 to U+E007F are the only steering ones up there.
    let mut out = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once("\\udb40\\udc") {
        let _ = write!(out, "{before}\\U000e00{}", &after[..2]);
        rest = &after[2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(json: &str) -> String {
        let shown = write(&Document::parse(json).unwrap());
        let back: serde_json::Value = serde_norway::from_str(&shown).unwrap_or_else(|e| panic!("{e}\n{shown}"));
        assert_eq!(back, serde_json::from_str::<serde_json::Value>(json).unwrap(), "{shown}");
        shown
    }

    #[test]
    fn every_shape_reads_back_as_it_was() {
        round_trip(r#"{"a":{"b":[1,"two",{"c":null,"d":[]},[true,[0.5]],{}],"e":{}},"f":"","g":-1.5e3,"h":2e5}"#);
        round_trip(r#"[{"a":"x"},{"a":"y\nz"},"l\nm\n"]"#);
        round_trip(r#""alone""#);
    }

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        for text in
            ["true", "No", "1.5", "2026-01-02", "a: b", "a #b", "- a", " a", "a ", "a:", "~", "&x", "", "é", "a\tb"]
        {
            round_trip(&json::compact(&Document::Map(vec![(text.into(), Document::text(text))])));
        }
        assert_eq!(text("http://127.0.0.1:8000/v1"), "http://127.0.0.1:8000/v1");
        assert_eq!(text("yes"), "\"yes\"");
    }

    #[test]
    fn several_lines_become_a_literal_block() {
        let shown = round_trip(r#"{"p":"one\n\n  two: x\n","q":"a\nb","r":"a\n\n\n","s":" a\nb","t":"\n"}"#);
        assert!(
            shown.starts_with("p: |\n  one\n\n    two: x\nq: |-\n  a\n  b\nr: |+\n  a\n\n\ns: \" a\\nb\""),
            "{shown}"
        );
    }

    #[test]
    fn steering_characters_are_escaped() {
        let shown = round_trip(r#"{"a":"x\u202ey","b":"l\n\u001b[0m","c":"\udb40\udc41!","d":"\u2028"}"#);
        assert!(!shown.chars().any(|c| c != '\n' && steers(c)), "{shown:?}");
        assert!(shown.contains("\\u202e") && shown.contains("\\U000e0041"), "{shown}");
    }
}
