//! A model request: only `model` and `stream` are read, everything else passes as it came.

use crate::{chat::persona::Members, error::ApiError};
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
        let model = seen.model.map(|model| span(&body, model.get()));
        Ok(Self { body, model, streaming })
    }

    /// The model that is asked for.
    ///
    /// # Errors
    /// 400: it names none.
    pub fn model_name(&self) -> Result<String, ApiError> {
        let text = self.model.clone().map(|span| &self.body[span]);
        let name = text.and_then(|text| serde_json::from_slice::<Option<String>>(text).ok()?);
        name.ok_or_else(|| ApiError::invalid("/model", "is required: the name of an Llm, of a pool, or agent/<name>"))
    }

    /// The body with one more message in front, and the parameters that it leaves out.
    pub fn with_system_message(&self, system: &str, defaults: &Members<'_>) -> Result<Self, ApiError> {
        let members = self.members()?;
        let messages = members.get("messages").ok_or_else(|| ApiError::invalid("/messages", "is required"))?.get();
        let Some(rest) = messages.strip_prefix('[') else {
            return Err(ApiError::invalid("/messages", "is an array"));
        };
        let mut messages = String::from("[");
        if !system.is_empty() {
            messages += r#"{"role":"system","content":"#;
            messages += &quoted(system)?;
            messages += if rest.trim_ascii_start().starts_with(']') { "}" } else { "}," };
        }
        messages += rest;
        self.spliced(&members, "messages", (!system.is_empty()).then_some(&messages), defaults)
    }

    /// The same for OpenAI's responses: the system block goes before the instructions that are there.
    pub fn with_instructions(&self, system: &str, defaults: &Members<'_>) -> Result<Self, ApiError> {
        let members = self.members()?;
        let theirs = members.get("instructions").map_or("null", |text| text.get());
        let theirs: Option<String> =
            serde_json::from_str(theirs).map_err(|_| ApiError::invalid("/instructions", "is a string"))?;
        let all = match theirs {
            Some(theirs) if !theirs.is_empty() => format!("{system}\n\n{theirs}"),
            _ => system.to_owned(),
        };
        let all = quoted(&all)?;
        self.spliced(&members, "instructions", (!system.is_empty()).then_some(&all), defaults)
    }

    fn members(&self) -> Result<Members<'_>, ApiError> {
        serde_json::from_slice(&self.body).map_err(ApiError::internal)
    }

    /// The body with another value for one member, and with those that it does not have yet.
    fn spliced(
        &self,
        members: &Members<'_>,
        name: &str,
        value: Option<&String>,
        defaults: &Members<'_>,
    ) -> Result<Self, ApiError> {
        let mut out = Vec::with_capacity(self.body.len() + value.map_or(0, String::len) + 64);
        let end = memchr::memrchr(b'}', &self.body).unwrap_or(self.body.len());
        let mut missing: Vec<(&str, &str)> = Vec::new();
        let place = members.get(name).map(|old| span(&self.body, old.get()));
        match (value, place) {
            (Some(value), Some(place)) => {
                out.extend_from_slice(&self.body[..place.start]);
                out.extend_from_slice(value.as_bytes());
                out.extend_from_slice(&self.body[place.end..end]);
            }
            (value, _) => {
                out.extend_from_slice(&self.body[..end]);
                missing.extend(value.map(|value| (name, value.as_str())));
            }
        }
        let theirs = |default: &str| default == name || members.contains_key(default);
        let defaults = defaults.iter().filter(|(default, _)| !theirs(default));
        missing.extend(defaults.map(|(name, value)| (name.as_str(), value.get())));
        for (index, (name, value)) in missing.into_iter().enumerate() {
            if index > 0 || !members.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(quoted(name)?.as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'}');
        Self::read(out.into())
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

/// Where a part of the body is in it.
fn span(body: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - body.as_ptr() as usize;
    start..start + part.len()
}

fn quoted(text: &str) -> Result<String, ApiError> {
    serde_json::to_string(text).map_err(ApiError::internal)
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

    fn request(body: &str) -> ModelRequest {
        ModelRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn text(request: Result<ModelRequest, ApiError>) -> String {
        String::from_utf8(request.unwrap().body.to_vec()).unwrap()
    }

    fn members(json: &str) -> Members<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_persona_adds_its_message_and_what_is_left_out_and_changes_nothing_else() {
        let defaults = members(r#"{"temperature":0.20,"x":{"b":1,"a":[1e400]}}"#);
        for (body, with) in [
            (
                r#"{"model":"a", "messages": [ {"role":"user"}],"temperature":1E0 }"#,
                r#"{"model":"a", "messages": [{"role":"system","content":"S \"q\""}, {"role":"user"}],"temperature":1E0 ,"x":{"b":1,"a":[1e400]}}"#,
            ),
            (
                r#"{"messages":[ ]}"#,
                r#"{"messages":[{"role":"system","content":"S \"q\""} ],"temperature":0.20,"x":{"b":1,"a":[1e400]}}"#,
            ),
        ] {
            assert_eq!(text(request(body).with_system_message("S \"q\"", &defaults)), with);
        }
        let body = r#"{"messages":[{"role":"user","content":"ü\ud83e\udd80"}],"n":-0.0}"#;
        assert_eq!(text(request(body).with_system_message("", &Members::new())), body);
        let refused = |body| request(body).with_system_message("S", &Members::new()).unwrap_err().message;
        assert_eq!(refused(r#"{"messages":"hi"}"#), "/messages: is an array");
        assert_eq!(refused(r#"{"model":"a"}"#), "/messages: is required");
    }

    #[test]
    fn instructions_come_after_the_personas_own() {
        let with = |body| text(request(body).with_instructions("S", &Members::new()));
        assert_eq!(with(r#"{"input":"x"}"#), r#"{"input":"x","instructions":"S"}"#);
        assert_eq!(with(r#"{"instructions":null,"input":"x"}"#), r#"{"instructions":"S","input":"x"}"#);
        assert_eq!(with(r#"{"instructions":"T"}"#), r#"{"instructions":"S\n\nT"}"#);
        assert_eq!(with("{ }"), r#"{ "instructions":"S"}"#);
        let defaults = members(r#"{"instructions":"D"}"#);
        assert_eq!(text(request("{}").with_instructions("S", &defaults)), r#"{"instructions":"S"}"#);
        let refused = request(r#"{"instructions":[]}"#).with_instructions("S", &Members::new()).unwrap_err();
        assert_eq!(refused.message, "/instructions: is a string");
    }

    #[test]
    fn the_model_is_named_or_asked_for() {
        assert_eq!(request(r#"{"model":"agent\/a"}"#).model_name(), Ok("agent/a".to_owned()));
        for body in ["{}", r#"{"model":null}"#, r#"{"model":7}"#] {
            assert!(request(body).model_name().unwrap_err().message.starts_with("/model: is required"), "{body}");
        }
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
