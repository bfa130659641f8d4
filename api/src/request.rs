//! A model request: only `model` and `stream` are read, everything else passes as it came.

use crate::error::ApiError;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::ops::Range;

/// A request in OpenAI's shape.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    body: Bytes,
    model: Option<Range<usize>>,
    /// Whether the caller wants a stream.
    pub streaming: bool,
}

#[derive(Deserialize)]
struct Seen<'a> {
    /// Also where it is null: the place counts.
    #[serde(borrow, default, deserialize_with = "with_null")]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
}

fn with_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl ModelRequest {
    /// Reads a caller's body.
    pub fn parse(body: Bytes) -> Result<Self, ApiError> {
        let request = Self::read(body)?;
        crate::json::check_strings(&request.body)?;
        Ok(request)
    }

    /// Reads a body whose strings may hold NUL: what a model said is in it.
    pub fn read(body: Bytes) -> Result<Self, ApiError> {
        if std::str::from_utf8(&body).is_err() {
            return Err(ApiError::invalid("", "the body is no UTF-8"));
        }
        let seen: Seen<'_> = crate::json::object(&body)
            .map_err(|error| ApiError::invalid("", format!("the body is no JSON object: {error}")))?;
        let streaming = match seen.stream.map(RawValue::get) {
            None | Some("null" | "false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::invalid("/stream", "is true or false")),
        };
        let model = match seen.model.map(RawValue::get) {
            None => None,
            Some(model) => {
                let start = model.as_ptr() as usize - body.as_ptr() as usize;
                Some(start..start + model.len())
            }
        };
        Ok(Self { body, model, streaming })
    }

    /// The body with this model in it, on one line.
    pub fn with_model(&self, model: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + model.len() + 16);
        match &self.model {
            Some(span) => {
                out.extend_from_slice(&self.body[..span.start]);
                let _ = serde_json::to_writer(&mut out, model);
                out.extend_from_slice(&self.body[span.end..]);
            }
            None => self.add_model(model, &mut out),
        }
        // Valid JSON has line breaks between its tokens only.
        for byte in &mut out {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out
    }

    fn add_model(&self, model: &str, out: &mut Vec<u8>) {
        let open = memchr::memchr(b'{', &self.body).map_or(0, |at| at + 1);
        out.extend_from_slice(&self.body[..open]);
        out.extend_from_slice(b"\"model\":");
        let _ = serde_json::to_writer(&mut *out, model);
        let is_empty = self.body[open..].trim_ascii_start().first() == Some(&b'}');
        if !is_empty {
            out.push(b',');
        }
        out.extend_from_slice(&self.body[open..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(body: &'static str) -> String {
        String::from_utf8(ModelRequest::parse(Bytes::from_static(body.as_bytes())).unwrap().with_model("m")).unwrap()
    }

    #[test]
    fn only_the_model_changes() {
        assert_eq!(spliced(r#"{"a":1e400,"model":"x", "b":[0.10]}"#), r#"{"a":1e400,"model":"m", "b":[0.10]}"#);
        assert_eq!(spliced("{\n\"a\":\"\\n\"}"), "{\"model\":\"m\", \"a\":\"\\n\"}");
        assert_eq!(spliced(r#"{"model": null,"a":1}"#), r#"{"model": "m","a":1}"#);
        assert_eq!(spliced("{ }"), "{\"model\":\"m\" }");
        assert_eq!(spliced(r#"{"x":{"model":"y"}}"#), r#"{"model":"m","x":{"model":"y"}}"#);
    }

    #[test]
    fn stream_is_read_and_nonsense_refused() {
        let streaming =
            |body: &'static str| ModelRequest::parse(Bytes::from_static(body.as_bytes())).map(|r| r.streaming);
        assert_eq!(streaming(r#"{"stream":true}"#), Ok(true));
        assert_eq!(streaming(r#"{"stream":null}"#), Ok(false));
        for bad in [
            r#"{"stream":"yes"}"#,
            "[]",
            r#"["m",true]"#,
            " [null]",
            "null",
            "{",
            "\u{0}",
            r#"{"model":"a","model":"b"}"#,
        ] {
            assert!(streaming(bad).is_err(), "{bad}");
        }
        let latin = Bytes::from_static(b"{\"messages\":[{\"content\":\"\xc3\x28\"}]}");
        assert!(ModelRequest::parse(latin).is_err());
    }
}
