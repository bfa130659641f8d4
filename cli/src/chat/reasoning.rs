//! Which text of a model's message is its reply, and which its reasoning.

use serde_json::Value;

/// Said of a reply that ran into its token limit while it still reasoned.
const TRUNCATED: &str = "\n\n[response truncated by max_tokens]";

/// The reasoning in a message or delta: the first of four spellings that is not empty.
pub fn reasoning(message: &Value) -> Option<&str> {
    let nested = &message["provider_specific_fields"];
    [&message["reasoning_content"], &message["reasoning"], &nested["reasoning_content"], &nested["reasoning"]]
        .into_iter()
        .filter_map(Value::as_str)
        .find(|text| !text.is_empty())
}

/// The content of a message or delta, if it is not empty.
pub fn content(message: &Value) -> Option<&str> {
    message["content"].as_str().filter(|text| !text.is_empty())
}

/// What stands in for content that stayed empty.
pub fn instead(reasoning: &str, finish_reason: Option<&str>) -> String {
    if reasoning.is_empty() {
        return String::new();
    }
    let suffix = if finish_reason == Some("length") { TRUNCATED } else { "" };
    format!("{reasoning}{suffix}")
}

/// The reply in a whole completion.
pub fn reply(completion: &Value) -> String {
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    content(message).map_or_else(
        || instead(reasoning(message).unwrap_or_default(), choice["finish_reason"].as_str()),
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_reply_is_content_or_else_the_first_reasoning() {
        let of =
            |message: Value, finish: &str| reply(&json!({"choices": [{"message": message, "finish_reason": finish}]}));
        assert_eq!(of(json!({"content": "real", "reasoning_content": "x"}), "stop"), "real");
        assert_eq!(of(json!({"content": null, "reasoning_content": "", "reasoning": "second"}), "stop"), "second");
        assert_eq!(of(json!({"content": "", "provider_specific_fields": {"reasoning_content": "x"}}), "stop"), "x");
        assert_eq!(of(json!({"provider_specific_fields": {"reasoning": "x"}}), "stop"), "x");
        assert_eq!(of(json!({"reasoning": "x"}), "length"), "x\n\n[response truncated by max_tokens]");
        assert_eq!(of(json!({"content": null}), "length"), "");
        assert_eq!(reply(&json!({})), "");
    }
}
