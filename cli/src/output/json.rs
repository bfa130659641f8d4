//! JSON for reading and for programs: indented, with every steering character escaped.

use super::{clean::steers, document::Document};
use std::fmt::Write;

/// Writes a document indented by two spaces, without a newline at the end.
pub fn pretty(document: &Document) -> String {
    let mut out = String::new();
    write(document, 0, &mut out);
    out
}

/// Writes a document as an item of a list, indented by two spaces, without comma or newline.
pub fn item(document: &Document) -> String {
    let mut out = "  ".to_owned();
    write(document, 2, &mut out);
    out
}

/// Writes a document on one line.
pub fn compact(document: &Document) -> String {
    match document {
        Document::Token(token) => token.clone(),
        Document::Text(text) => quote(text),
        Document::List(items) => format!("[{}]", items.iter().map(compact).collect::<Vec<_>>().join(",")),
        Document::Map(members) => {
            let members: Vec<_> = members.iter().map(|(k, v)| format!("{}:{}", quote(k), compact(v))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// Writes a JSON string.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if steers(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn write(document: &Document, indent: usize, out: &mut String) {
    match document {
        Document::List(items) if !items.is_empty() => {
            wrap(['[', ']'], items, indent, out, |item, out| write(item, indent + 2, out));
        }
        Document::Map(members) if !members.is_empty() => {
            wrap(['{', '}'], members, indent, out, |(key, value), out| {
                let _ = write!(out, "{}: ", quote(key));
                write(value, indent + 2, out);
            });
        }
        flat => out.push_str(&compact(flat)),
    }
}

fn wrap<T>(brackets: [char; 2], items: &[T], indent: usize, out: &mut String, mut item: impl FnMut(&T, &mut String)) {
    out.push(brackets[0]);
    for (i, each) in items.iter().enumerate() {
        let _ = write!(out, "{}\n{:width$}", if i == 0 { "" } else { "," }, "", width = indent + 2);
        item(each, out);
    }
    let _ = write!(out, "\n{:indent$}{}", "", brackets[1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_as_the_same_value() {
        let text = r#"{"a":[1,{"b":"x\ny\u202e\u001b[31m\ud83d\ude00\udb40\udc41"},[]],"c":{},"d":-1.50e3}"#;
        let shown = pretty(&Document::parse(text).unwrap());
        assert!(!shown.chars().any(|c| c != '\n' && steers(c)), "{shown:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        );
        assert!(shown.starts_with("{\n  \"a\": [\n    1,\n    {\n"), "{shown}");
        assert!(shown.contains("-1.50e3"));
    }
}
