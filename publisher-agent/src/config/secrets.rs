//! Keys that look like secrets have no place in what everybody may read.

use serde_json::{Value, value::RawValue};

/// A key that has one of these in it, however it is spelled, names a secret.
const SUSPECT: [&str; 7] = ["apikey", "authorization", "password", "passwd", "secret", "privatekey", "accesstoken"];
/// Words before `token` with which it is a piece of text, and no secret: `eos_token`, `costPerToken`.
const OF_TEXT: [&str; 14] =
    ["bos", "eos", "pad", "unk", "sep", "cls", "mask", "stop", "image", "per", "max", "min", "first", "next"];

/// The first key, at any depth, that looks like one of a secret.
pub(super) fn find(object: &RawValue) -> Option<String> {
    within(&serde_json::from_str(object.get()).ok()?).map(str::to_owned)
}

fn within(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => {
            members.iter().find_map(|(key, value)| if is_suspect(key) { Some(key.as_str()) } else { within(value) })
        }
        Value::Array(elements) => elements.iter().find_map(within),
        _ => None,
    }
}

fn is_suspect(key: &str) -> bool {
    let words = words(key);
    let plain = words.concat();
    SUSPECT.iter().any(|suspect| plain.contains(suspect)) || is_token(&words)
}

/// `token`, `hf_token`, `authtoken`; not `max_tokens`, `tokenizer`, `eosToken`.
fn is_token(words: &[String]) -> bool {
    match words {
        [.., before, last] if last == "token" => !OF_TEXT.contains(&before.as_str()),
        [.., last] => last.ends_with("token"),
        [] => false,
    }
}

/// `maxTokens-per_call` → `max`, `tokens`, `per`, `call`.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in key.chars().filter(char::is_ascii) {
        let begins = !before.is_ascii_alphanumeric() || (before.is_ascii_lowercase() && letter.is_ascii_uppercase());
        before = letter;
        if !letter.is_ascii_alphanumeric() {
            continue;
        }
        match words.last_mut() {
            Some(word) if !begins => word.push(letter.to_ascii_lowercase()),
            _ => words.push(letter.to_ascii_lowercase().to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_however_they_are_spelled() {
        for key in [
            "apiKey",
            "api_key",
            "API-KEY",
            "x-api-key",
            "Authorization",
            "clientSecret",
            "secret",
            "password",
            "dbPasswd",
            "token",
            "hf_token",
            "authToken",
            "accesstoken",
            "ACCESS_TOKEN",
            "developer_token",
            "private_key",
        ] {
            assert!(is_suspect(key), "{key}");
        }
        for key in [
            "max_tokens",
            "maxTokens",
            "max_token",
            "tokenizer",
            "tokenizerMode",
            "eos_token",
            "EOS_TOKEN",
            "bosToken",
            "stopTokenIds",
            "costPerToken",
            "tokens",
            "keyboard",
            "chunkDelayMs",
            "reply",
            "",
        ] {
            assert!(!is_suspect(key), "{key}");
        }
    }

    #[test]
    fn they_are_found_at_any_depth() {
        let found = |text: &str| find(&RawValue::from_string(text.to_owned()).expect("JSON"));
        assert_eq!(found(r#"{"a": [1, {"headers": {"x-api-key": "k"}}]}"#).as_deref(), Some("x-api-key"));
        assert_eq!(found(r#"{"a": [1, {"b": "apiKey"}]}"#), None);
    }
}
