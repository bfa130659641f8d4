//! The objects of a result: one JSON body, or the lines of an upload.

use crate::json;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Servers tell each other of failures by events of this name; publishers have none.
pub const OWN_EVENT: &str = "mcpctl-failed";

/// What a publisher says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// It took the task.
    Accepted,
    /// It could not do it.
    Error(String),
    /// A piece of a streamed answer, ready to be sent on, and whether it is the last.
    Chunk {
        /// `data: …` and an empty line.
        event: Bytes,
        /// Nothing follows.
        done: bool,
    },
    /// A whole answer.
    Whole(Whole),
}

impl Object {
    /// Whether nothing may follow it.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Accepted => false,
            Self::Error(_) | Self::Whole(_) => true,
            Self::Chunk { done, .. } => *done,
        }
    }
}

/// A whole answer of a model server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its status.
    pub status: u16,
    /// Its content type.
    pub content_type: Cow<'static, str>,
    /// Its body.
    pub body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    accepted: Option<bool>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    chunk: Option<Chunk<'a>>,
    status: Option<u16>,
    /// `null` is a body, too.
    #[serde(borrow, default, deserialize_with = "present")]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct Chunk<'a> {
    /// The event's name, in APIs whose events have one.
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    done: Option<bool>,
}

/// Reads one object. The body of a whole answer is a slice of `line`: it is not copied.
///
/// # Errors
/// A sentence for the publisher that says what was expected.
pub fn parse(line: &Bytes) -> Result<Object, String> {
    let raw: Raw<'_> = json::object(line).map_err(|error| format!("a result is a JSON object: {error}"))?;
    if let Some(error) = raw.error {
        // Usually a string; whatever else it is, its text says more than a refusal would.
        let text = serde_json::from_str::<String>(error.get()).unwrap_or_else(|_| error.get().to_owned());
        return Ok(Object::Error(text));
    }
    if let Some(chunk) = raw.chunk {
        return Ok(render(&chunk));
    }
    if let Some(status) = raw.status {
        return whole(line, status, &raw);
    }
    if raw.accepted.is_some() {
        return Ok(Object::Accepted);
    }
    Err("a result has `accepted`, `error`, `chunk`, or `status` with `body` or `text`".to_owned())
}

fn whole(line: &Bytes, status: u16, raw: &Raw<'_>) -> Result<Object, String> {
    if !(200..=599).contains(&status) {
        return Err("`status` is the HTTP status of an answer, 200 to 599".to_owned());
    }
    let (body, fallback) = match (raw.body, &raw.text) {
        (Some(body), text) if text.is_none() || body.get() != "null" => {
            (line.slice_ref(body.get().as_bytes()), "application/json")
        }
        (_, Some(text)) => (Bytes::copy_from_slice(text.as_bytes()), "text/plain; charset=utf-8"),
        (_, None) => (Bytes::new(), "application/json"),
    };
    let content_type = raw.content_type.as_deref().map_or(Cow::Borrowed(fallback), |t| Cow::Owned(t.to_owned()));
    Ok(Object::Whole(Whole { status, content_type, body }))
}

/// A chunk as a server-sent event. Data with line breaks takes several `data:` lines.
fn render(chunk: &Chunk<'_>) -> Object {
    let data = chunk.data.as_deref().unwrap_or_default();
    let done = chunk.done == Some(true) || data == "[DONE]";
    let mut event = BytesMut::with_capacity(data.len() + 24);
    if !data.is_empty() {
        let is_good = |name: &&str| !name.contains(['\n', '\r']) && *name != OWN_EVENT;
        if let Some(name) = chunk.event.as_deref().filter(is_good) {
            event.put_slice(b"event: ");
            event.put_slice(name.as_bytes());
            event.put_u8(b'\n');
        }
        let lines = data.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
        for line in lines {
            event.put_slice(b"data: ");
            event.put_slice(line.as_bytes());
            event.put_u8(b'\n');
        }
        event.put_u8(b'\n');
    }
    Object::Chunk { event: event.freeze(), done }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Object, String> {
        parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_body_that_is_null_is_a_body() {
        let body = |text: &str| match read(text) {
            Ok(Object::Whole(whole)) => String::from_utf8(whole.body.into()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(body(r#"{"status":200,"body":null}"#), "null");
        assert_eq!(body(r#"{"status":200}"#), "");
        assert_eq!(body(r#"{"status":200,"body":null,"text":"x"}"#), "x", "a field that is not used");
    }

    #[test]
    fn a_whole_answer_keeps_its_bytes() {
        let Ok(Object::Whole(whole)) = read(r#"{"status":200,"body":{"x":1e400,"y":[0.10]}}"#) else { panic!("whole") };
        assert_eq!((whole.status, &whole.body[..]), (200, &br#"{"x":1e400,"y":[0.10]}"#[..]));
        let Ok(Object::Whole(whole)) = read(r#"{"status":500,"text":"oops","contentType":"text/html"}"#) else {
            panic!("text")
        };
        assert_eq!((&whole.body[..], &*whole.content_type), (&b"oops"[..], "text/html"));
    }

    #[test]
    fn a_chunk_becomes_an_event_and_done_loses_nothing() {
        let event = |text: &str| match read(text) {
            Ok(Object::Chunk { event, done }) => (String::from_utf8(event.to_vec()).unwrap(), done),
            other => panic!("{other:?}"),
        };
        assert_eq!(event(r#"{"chunk":{"data":"{\"a\":1}"}}"#), ("data: {\"a\":1}\n\n".into(), false));
        assert_eq!(event(r#"{"chunk":{"data":"[DONE]","done":true}}"#), ("data: [DONE]\n\n".into(), true));
        assert_eq!(event(r#"{"chunk":{"data":"x","done":true}}"#), ("data: x\n\n".into(), true));
        assert_eq!(event(r#"{"chunk":{"event":"e","data":"x"}}"#), ("event: e\ndata: x\n\n".into(), false));
        assert_eq!(event(r#"{"chunk":{"event":"e\nf","data":"x"}}"#), ("data: x\n\n".into(), false));
        assert_eq!(event(r#"{"chunk":{"data":"a\nb","done":null}}"#), ("data: a\ndata: b\n\n".into(), false));
        assert_eq!(event(r#"{"chunk":{"data":"a\r\nb\rc"}}"#), ("data: a\ndata: b\ndata: c\n\n".into(), false));
    }

    #[test]
    fn what_is_none_of_these_is_refused() {
        for bad in ["", "[]", "{}", "{\"status\":9}", "{\"chunk\":3}", "\u{0}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read(r#"{"error":"boom"}"#), Ok(Object::Error("boom".into())));
        assert_eq!(read(r#"{"accepted":true,"error":null}"#), Ok(Object::Accepted));
    }
}
