//! What a tool answers, as text for a model.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use std::fmt::Write;

/// Most bytes of one answer that a model gets.
const MAX_ANSWER: usize = 64 << 10;

/// A tool's answer. One that failed says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For the model.
    pub text: String,
    /// Whether the tool, or the way to it, failed.
    pub failed: bool,
}

impl Answer {
    /// Of a tool that could not be asked.
    pub fn failure(reason: impl std::fmt::Display) -> Self {
        Self { text: cut(format!("error: {reason}"), MAX_ANSWER), failed: true }
    }

    /// What a server said.
    pub(super) fn of(result: &CallToolResult) -> Self {
        let mut text = result.content.iter().map(block).collect::<Vec<_>>().join("\n");
        if result.content.is_empty()
            && let Some(structured) = &result.structured_content
        {
            text = structured.to_string();
        }
        Self { text: cut(text, MAX_ANSWER), failed: result.is_error == Some(true) }
    }
}

/// A piece of content. A model's API takes text only from tools: of everything else it is said what it is.
fn block(content: &ContentBlock) -> String {
    match content {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => left_out("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => left_out("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(resource) => match &resource.resource {
            ResourceContents::TextResourceContents { text, .. } => text.clone(),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                format!("{} of {uri}", left_out("resource", mime_type.as_deref().unwrap_or("unknown type"), blob))
            }
            _ => "[content of an unknown kind was left out]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => link.uri.clone(),
        _ => "[content of an unknown kind was left out]".to_owned(),
    }
}

fn left_out(kind: &str, mime_type: &str, base64: &str) -> String {
    format!("[{kind} of {mime_type}, {} bytes in base64, was left out]", base64.len())
}

/// A text, or its beginning if it has more bytes than that.
pub fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(most));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n[cut here: the answer has {whole} bytes]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(result: serde_json::Value) -> Answer {
        Answer::of(&serde_json::from_value(result).unwrap())
    }

    #[test]
    fn text_is_passed_on_and_the_rest_is_named() {
        let all = read(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "mimeType": "image/png", "data": "AAAA"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "two"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "AAAAAAAA", "mimeType": "x/y"}},
            {"type": "resource_link", "uri": "file:///c", "name": "c"},
        ]}));
        assert_eq!(
            all.text,
            "one\n[image of image/png, 4 bytes in base64, was left out]\ntwo\n\
             [resource of x/y, 8 bytes in base64, was left out] of file:///b\nfile:///c"
        );
        assert!(!all.failed);
        let structured = read(json!({"content": [], "structuredContent": {"sum": 42}}));
        assert_eq!(structured.text, r#"{"sum":42}"#);
        assert!(read(json!({"content": [{"type": "text", "text": "no"}], "isError": true})).failed);
    }

    #[test]
    fn an_answer_without_end_is_cut_between_letters() {
        let text = "ü".repeat(MAX_ANSWER);
        let answer = read(json!({"content": [{"type": "text", "text": text}]}));
        assert!(answer.text.len() < MAX_ANSWER + 100);
        assert!(answer.text.ends_with("ü\n[cut here: the answer has 131072 bytes]"), "{}", answer.text.len());
    }
}
