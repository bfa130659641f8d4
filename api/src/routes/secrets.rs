//! Keys that look like secrets have no place in a registry that everyone may read.

use crate::json::{Fields, each_key};
use mcpctl_events::json::Json;

/// A key that holds one of these, case and punctuation aside, looks like a secret.
const SUSPECT: [&str; 9] =
    ["apikey", "authorization", "password", "passwd", "secret", "privatekey", "accesskey", "credential", "bearer"];
/// Words before `token` that make it one of a model's vocabulary.
const OF_A_MODEL: [&str; 9] = ["bos", "eos", "pad", "unk", "sep", "cls", "mask", "stop", "image"];

/// Refuses an object that has a key, at any depth, that looks like a secret.
pub fn refuse(fields: &Fields<'_>, name: &str, object: Option<&Json>) {
    let Some(object) = object else { return };
    let at = fields.at(name);
    each_key(object.get(), |key, pointer| {
        if is_suspect(key) {
            let reason = format!("`{key}` looks like a secret; secrets stay with the publisher, or in `apiKeyRef`");
            fields.problem_at(&format!("{at}{}", pointer()), reason);
        }
    });
}

fn is_suspect(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let of_a_model = |word: &str| OF_A_MODEL.iter().any(|known| word.ends_with(known));
    SUSPECT.iter().any(|suspect| plain.contains(suspect))
        || plain.strip_suffix("token").is_some_and(|word| !of_a_model(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_and_models_words_are_not() {
        let secrets = ["apiKey", "x-api-key", "OPENAI_API_KEY", "Authorization", "clientSecret", "token", "hf_token"];
        for secret in secrets {
            assert!(is_suspect(secret), "{secret}");
        }
        for word in ["max_tokens", "eos_token", "padToken", "keyboard", "chunkDelayMs", "reply", "tokenizer"] {
            assert!(!is_suspect(word), "{word}");
        }
    }
}
