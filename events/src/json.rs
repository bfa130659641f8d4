//! JSON objects that belong to somebody else and are kept token for token.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{fmt, sync::Arc};

/// A JSON value without white space between its tokens, otherwise as it came: key order and the spelling of numbers
/// stay. Two values are equal when their texts are.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes a value that was parsed, less the white space between its tokens.
    pub fn new(raw: &RawValue) -> Self {
        if raw.get().bytes().any(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            // Dropping white space between tokens leaves valid JSON.
            if let Ok(compact) = RawValue::from_string(compact(raw.get())) {
                return Self(compact.into());
            }
        }
        Self(raw.to_owned().into())
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// An owned copy for a wire type.
    pub fn to_raw(&self) -> Box<RawValue> {
        (*self.0).to_owned()
    }
}

/// Drops the white space between the tokens of valid JSON.
fn compact(text: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::<RawValue>::deserialize(deserializer)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_goes() {
        let raw: Box<RawValue> = serde_json::from_str("{ \"b\\\" \" : [1.50,\n1e400 ], \"a\":\t\"x \\\\\" }").unwrap();
        assert_eq!(Json::new(&raw).get(), r#"{"b\" ":[1.50,1e400],"a":"x \\"}"#);
    }
}
