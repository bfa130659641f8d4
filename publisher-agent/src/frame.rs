//! What the server asks for.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One frame of the stream, or of a long-poll.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// Call a model.
    Infer(Infer),
    /// Bring a model server up.
    Wake(Wake),
    /// Drop a task.
    Cancel(String),
    /// The first object of a task's upload arrived.
    Ack(String),
}

/// A model call.
#[derive(Debug, PartialEq, Eq)]
pub struct Infer {
    /// The task.
    pub task_id: String,
    /// The registry's name of the model.
    pub llm_name: String,
    /// Path at the model server.
    pub path: String,
    /// Whether the caller asked for a stream.
    pub streaming: bool,
    /// The body, token for token.
    pub request: Bytes,
}

/// A wake.
#[derive(Debug, PartialEq, Eq)]
pub struct Wake {
    /// The task.
    pub task_id: String,
    /// The registry's name of the model.
    pub llm_name: String,
    /// How long callers wait, in seconds.
    pub max_wait_seconds: Option<u32>,
}

/// As it stands on the wire; the request is only looked at to find its end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    kind: String,
    task_id: String,
    #[serde(default)]
    llm_name: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    streaming: Option<bool>,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
    #[serde(default)]
    max_wait_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Polled<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
}

/// Reads one frame.
///
/// # Errors
/// A sentence on why it cannot be understood.
pub fn parse(data: &[u8]) -> Result<Frame, String> {
    let raw: Raw<'_> = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    let task_id = checked_id(raw.task_id)?;
    match raw.kind.as_str() {
        "infer" => Ok(Frame::Infer(Infer {
            task_id,
            llm_name: raw.llm_name.ok_or("no `llmName`")?,
            path: raw.path.ok_or("no `path`")?,
            streaming: raw.streaming.unwrap_or(false),
            request: Bytes::copy_from_slice(raw.request.ok_or("no `request`")?.get().as_bytes()),
        })),
        "wake" => {
            let llm_name = raw.llm_name.ok_or("no `llmName`")?;
            Ok(Frame::Wake(Wake { task_id, llm_name, max_wait_seconds: raw.max_wait_seconds }))
        }
        "cancel" => Ok(Frame::Cancel(task_id)),
        "ack" => Ok(Frame::Ack(task_id)),
        other => Err(format!("unknown kind `{other}`")),
    }
}

/// Reads the answer to a long-poll.
///
/// # Errors
/// A sentence on why it cannot be understood; single frames that cannot are errors of their own.
pub fn parse_polled(data: &[u8]) -> Result<Vec<Result<Frame, String>>, String> {
    let polled: Polled<'_> = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    Ok(polled.tasks.into_iter().map(|raw| parse(raw.get().as_bytes())).collect())
}

/// A task id becomes part of a URL.
fn checked_id(id: String) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.is_empty() || id.len() > 128 || !id.bytes().all(allowed) || id.starts_with('.') {
        return Err("a `taskId` that is none".to_owned());
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_kept_token_for_token() {
        let frame = br#"{"kind":"infer","taskId":"t1","llmName":"v","model":"m","path":"/v1/x","streaming":true,"request":{"a":1.50, "big":123456789012345678901},"deadline":"x","new":null}"#;
        let Ok(Frame::Infer(infer)) = parse(frame) else { panic!("an infer frame") };
        assert_eq!(infer.request, r#"{"a":1.50, "big":123456789012345678901}"#.as_bytes());
        assert!(infer.streaming);
    }

    #[test]
    fn the_other_kinds() {
        assert_eq!(parse(br#"{"kind":"cancel","taskId":"t"}"#), Ok(Frame::Cancel("t".to_owned())));
        assert_eq!(parse(br#"{"kind":"ack","taskId":"t"}"#), Ok(Frame::Ack("t".to_owned())));
        let wake = Wake { task_id: "t".to_owned(), llm_name: "v".to_owned(), max_wait_seconds: Some(9) };
        assert_eq!(parse(br#"{"kind":"wake","taskId":"t","llmName":"v","maxWaitSeconds":9}"#), Ok(Frame::Wake(wake)));
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for bad in ["", "{}", r#"{"kind":"infer","taskId":"t"}"#, r#"{"kind":"dance","taskId":"t"}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for id in ["", "../x", "a/b", "a?b", ".."] {
            assert!(parse(format!(r#"{{"kind":"ack","taskId":"{id}"}}"#).as_bytes()).is_err(), "{id}");
        }
    }

    #[test]
    fn a_poll_has_many() {
        let polled = parse_polled(br#"{"tasks":[{"kind":"ack","taskId":"a"},{"kind":"?","taskId":"b"}]}"#);
        let polled = polled.expect("a list");
        assert!(polled[0].is_ok() && polled[1].is_err());
    }
}
