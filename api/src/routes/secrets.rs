//! Keys that look like secrets have no place in a registry that everyone may read.

use crate::json::Fields;
use mcpctl_events::json::Json;
use serde_json::Value;

const SUSPECT: [&str; 8] =
    ["apikey", "authorization", "password", "passwd", "secret", "accesstoken", "bearertoken", "privatekey"];

/// Refuses an object that has a key, at any depth, that looks like a secret.
pub fn refuse(fields: &Fields<'_>, name: &str, object: Option<&Json>) {
    let Some(value) = object.and_then(|object| serde_json::from_str::<Value>(object.get()).ok()) else { return };
    if let Some(key) = find(&value) {
        let reason = format!("`{key}` looks like a secret; secrets stay with the publisher, or in `apiKeyRef`");
        fields.problem(name, reason);
    }
}

fn find(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
            if SUSPECT.contains(&plain.to_ascii_lowercase().as_str()) { Some(key.as_str()) } else { find(value) }
        }),
        Value::Array(elements) => elements.iter().find_map(find),
        _ => None,
    }
}
