//! What a model's answer says, whole or in pieces.

use super::{bad_answer, tool_calls::Calls};
use crate::{error::ApiError, relay::object::Whole};
use mcpctl_events::json::Json;
use serde::Deserialize;
use serde_json::value::RawValue;

const TRUNCATED: &str = "\n\n[response truncated by max_tokens]";

/// A model's answer.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Answer {
    /// None if there was none at all.
    pub content: Option<String>,
    pub reasoning: String,
    pub tool_calls: Calls,
    pub finish_reason: Option<String>,
    pub usage: Option<Json>,
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Message>,
    delta: Option<Message>,
    finish_reason: Option<String>,
}

/// Reasoning comes in four spellings.
#[derive(Deserialize, Default)]
struct Message {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    provider_specific_fields: Option<Spelled>,
    tool_calls: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
struct Spelled {
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

impl Message {
    fn reasoning(&mut self) -> Option<String> {
        let theirs = self.provider_specific_fields.take().unwrap_or_default();
        [self.reasoning_content.take(), self.reasoning.take(), theirs.reasoning_content, theirs.reasoning]
            .into_iter()
            .flatten()
            .find(|text| !text.is_empty())
    }
}

impl Answer {
    /// The text of the reply: the content, else the reasoning, else nothing. Beside tool calls the content stays as it
    /// came.
    pub(super) fn text(&self) -> String {
        let content = self.content.as_deref().unwrap_or_default();
        let calls = !self.tool_calls.as_slice().is_empty();
        if !content.is_empty() || self.reasoning.is_empty() || calls {
            return content.to_owned();
        }
        let truncated = self.finish_reason.as_deref() == Some("length");
        format!("{}{}", self.reasoning, if truncated { TRUNCATED } else { "" })
    }
}

/// A piece of a streamed answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    pub content: Option<String>,
    pub reasoning: Option<String>,
}

/// Reads a whole answer.
pub(super) fn read(whole: &Whole) -> Result<Answer, ApiError> {
    if whole.status != 200 {
        return Err(refused(whole));
    }
    let completion: Completion = serde_json::from_slice(&whole.body)
        .map_err(|error| bad_answer(format!("the model server's answer is no chat completion: {error}")))?;
    let mut answer = Answer { usage: completion.usage.map(|usage| Json::new(&usage)), ..Answer::default() };
    let Some(choice) = completion.choices.into_iter().next() else {
        let said = error_message(&String::from_utf8_lossy(&whole.body));
        return Err(bad_answer(said.unwrap_or_else(|| "the model server's answer has no `choices`".to_owned())));
    };
    let mut message = choice.message.or(choice.delta).unwrap_or_default();
    answer.reasoning = message.reasoning().unwrap_or_default();
    answer.content = message.content;
    answer.tool_calls = message.tool_calls.as_deref().map(Calls::whole).unwrap_or_default();
    answer.finish_reason = choice.finish_reason;
    Ok(answer)
}

/// Takes the next `data:` of a streamed answer into `answer` and says what is new.
pub(super) fn take(answer: &mut Answer, data: &str) -> Result<Piece, ApiError> {
    let completion: Completion = serde_json::from_str(data)
        .map_err(|error| bad_answer(format!("the model server sent a chunk that cannot be read: {error}")))?;
    let mut piece = Piece::default();
    if let Some(choice) = completion.choices.into_iter().next() {
        let mut delta = choice.delta.or(choice.message).unwrap_or_default();
        piece.reasoning = delta.reasoning();
        piece.content = delta.content;
        if let Some(calls) = &delta.tool_calls {
            answer.tool_calls.take(calls);
        }
        answer.finish_reason = choice.finish_reason.or_else(|| answer.finish_reason.take());
    } else if let Some(error) = error_message(data) {
        return Err(ApiError { code: code_of(data).into(), ..bad_answer(error) });
    }
    answer.reasoning.push_str(piece.reasoning.as_deref().unwrap_or_default());
    if let Some(content) = &piece.content {
        answer.content.get_or_insert_default().push_str(content);
    }
    piece.content = piece.content.filter(|text| !text.is_empty());
    Ok(piece)
}

fn refused(whole: &Whole) -> ApiError {
    let text = String::from_utf8_lossy(&whole.body);
    let message = error_message(&text).unwrap_or_else(|| text.chars().take(500).collect());
    bad_answer(format!("the model server answered {}: {message}", whole.status))
}

/// The code of an error that this server put into the stream; anything else is a bad answer.
fn code_of(data: &str) -> &'static str {
    let value: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
    let code = value.get("code").and_then(serde_json::Value::as_str).unwrap_or_default();
    let ours = ["PUBLISHER_ERROR", "PUBLISHER_DISCONNECTED", "TIMED_OUT", "UPSTREAM_ERROR", "SHUTDOWN"];
    ours.into_iter().find(|known| *known == code).unwrap_or("BAD_ANSWER")
}

/// The message of `{"error": "…"}` or `{"error": {"message": "…"}}`.
fn error_message(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let error = value.get("error").filter(|error| !error.is_null())?;
    let message = error.as_str().or_else(|| error.get("message")?.as_str());
    Some(message.map_or_else(|| error.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str, finish: &str) -> String {
        let body = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"{finish}"}}]}}"#);
        read(&Whole { status: 200, content_type: "application/json".into(), body: body.into() }).unwrap().text()
    }

    #[test]
    fn the_reply_is_the_content_or_the_first_reasoning() {
        assert_eq!(text(r#"{"content":"real","reasoning_content":"t"}"#, "stop"), "real");
        assert_eq!(text(r#"{"content":null,"reasoning_content":"","reasoning":"second"}"#, "stop"), "second");
        assert_eq!(
            text(r#"{"content":"","provider_specific_fields":{"reasoning":"t"}}"#, "length"),
            format!("t{TRUNCATED}")
        );
        assert_eq!(text(r#"{"content":null}"#, "stop"), "");
        assert_eq!(text(r#"{"content":"cut"}"#, "length"), "cut");
    }

    #[test]
    fn an_answer_without_a_choice_is_no_reply() {
        let read = |body: &'static str| {
            read(&Whole { status: 200, content_type: "application/json".into(), body: body.into() }).unwrap_err()
        };
        let said =
            [r#"{"error":{"message":"out of memory"}}"#, r#"{"choices":[]}"#, "{}"].map(|body| read(body).message);
        assert_eq!(said[0], "out of memory");
        assert!(said[1..].iter().all(|message| message.contains("has no `choices`")), "{said:?}");
    }

    #[test]
    fn what_some_servers_add_is_no_failure() {
        let mut answer = Answer::default();
        assert_eq!(take(&mut answer, r#"{"choices":[],"error":null}"#), Ok(Piece::default()));
        let both = r#"{"choices":[{"message":{"content":"all"},"delta":{"content":"a"}}]}"#;
        assert_eq!(take(&mut answer, both).unwrap().content.as_deref(), Some("a"));
    }

    #[test]
    fn a_failed_stream_says_why() {
        let mut answer = Answer::default();
        let error = take(&mut answer, r#"{"error":"GPU fell off","code":"PUBLISHER_ERROR"}"#).unwrap_err();
        assert!(error.message.contains("GPU fell off"));
        let piece = take(&mut answer, r#"{"choices":[{"delta":{"content":"a","reasoning":"r"}}]}"#).unwrap();
        assert_eq!((piece.content.as_deref(), piece.reasoning.as_deref()), (Some("a"), Some("r")));
    }
}
