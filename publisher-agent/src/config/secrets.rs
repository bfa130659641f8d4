//! Keys that look like secrets have no place in what everybody may read.

use mcpctl_events::wire::secrets::is_suspect;
use serde_json::{Value, value::RawValue};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_at_any_depth() {
        let found = |text: &str| find(&RawValue::from_string(text.to_owned()).expect("JSON"));
        assert_eq!(found(r#"{"a": [1, {"headers": {"x-api-key": "k"}}]}"#).as_deref(), Some("x-api-key"));
        assert_eq!(found(r#"{"a": [1, {"b": "apiKey"}]}"#), None);
    }
}
