//! Keys that look like secrets have no place in a registry that everyone may read: server and publisher refuse them by
//! the same rule.

/// A key that has one of these in it, however it is spelled, names a secret.
const SUSPECT: [&str; 9] =
    ["apikey", "authorization", "password", "passwd", "secret", "privatekey", "accesskey", "credential", "bearer"];
/// Words before `token` with which it is a piece of text, and no secret: `eos_token`, `costPerToken`.
const OF_TEXT: [&str; 14] =
    ["bos", "eos", "pad", "unk", "sep", "cls", "mask", "stop", "image", "per", "max", "min", "first", "next"];

/// Whether a key names a secret, however it is spelled.
pub fn is_suspect(key: &str) -> bool {
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
}
