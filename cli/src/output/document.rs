//! A JSON document with the order of its members and the spelling of its numbers kept.
//!
//! `serde_json::Value` sorts members and rounds long numbers; what a server answers is shown as it came.

use crate::exit::Stuck;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt::Display;

/// Deeper documents are refused, so that showing one cannot exhaust the stack.
const DEPTH: usize = 128;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// `null`, `true`, `false` or a number, as it was spelled.
    Token(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Document>),
    /// An object.
    Map(Vec<(String, Document)>),
}

impl Document {
    /// Reads JSON text.
    pub fn parse(json: &str) -> Result<Self, Stuck> {
        let raw: &RawValue = serde_json::from_str(json).map_err(|e| odd(format_args!("is not JSON: {e}")))?;
        from_raw(raw, 0)
    }

    /// A string value.
    pub fn text(text: impl Into<String>) -> Self {
        Document::Text(text.into())
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Document> {
        match self {
            Document::Map(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Whether there is nothing in it: `null`, or an empty string, array or object.
    pub fn is_empty(&self) -> bool {
        match self {
            Document::Token(token) => token == "null",
            Document::Text(text) => text.is_empty(),
            Document::List(items) => items.is_empty(),
            Document::Map(members) => members.is_empty(),
        }
    }
}

fn odd(problem: impl Display) -> Stuck {
    Stuck::new(format!("the server's answer {problem}"), "check that --server names an mcpd of this version")
}

fn senseless(error: &serde_json::Error) -> Stuck {
    odd(format_args!("makes no sense: {error}"))
}

fn from_raw(raw: &RawValue, depth: usize) -> Result<Document, Stuck> {
    if depth > DEPTH {
        return Err(odd(format_args!("is nested deeper than {DEPTH} levels")));
    }
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Document::Text(serde_json::from_str(text).map_err(|e| senseless(&e))?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| senseless(&e))?;
            Document::List(items.into_iter().map(|i| from_raw(i, depth + 1)).collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(|e| senseless(&e))?;
            let member = |(key, value): (String, &RawValue)| Ok((key, from_raw(value, depth + 1)?));
            Document::Map(members.into_iter().map(member).collect::<Result<_, Stuck>>()?)
        }
        _ => Document::Token(text.to_owned()),
    })
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(InOrder).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spelling_are_kept() {
        let doc = Document::parse(r#"{"z": 1.0, "a": [12345678901234567890123, null], "m": {}}"#).unwrap();
        let Document::Map(members) = &doc else { panic!("{doc:?}") };
        assert_eq!(members.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["z", "a", "m"]);
        assert_eq!(doc.get("z"), Some(&Document::Token("1.0".into())));
        let long = Document::Token("12345678901234567890123".into());
        assert_eq!(doc.get("a"), Some(&Document::List(vec![long, Document::Token("null".into())])));
    }

    #[test]
    fn deep_nesting_and_garbage_are_refused() {
        assert!(Document::parse(&("[".repeat(200) + &"]".repeat(200))).is_err());
        assert!(Document::parse("<html>").is_err());
    }
}
