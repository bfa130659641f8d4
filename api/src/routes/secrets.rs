//! Keys that look like secrets have no place in a registry that everyone may read; only where they are does.

use crate::json::{Fields, each_key};
use mcpctl_events::{
    json::Json,
    wire::{rows::ApiKeyRef, secrets::is_suspect},
};
use serde_json::value::RawValue;

/// Refuses an object that has a key, at any depth, that looks like a secret.
pub fn refuse(fields: &Fields<'_>, name: &str, object: Option<&Json>) {
    let Some(object) = object else { return };
    let at = fields.at(name);
    each_key(object.get(), |key, pointer| {
        if !fields.problems().are_enough() && is_suspect(key) {
            let reason = format!("`{key}` looks like a secret; secrets stay with the publisher, or in `apiKeyRef`");
            fields.problem_at(&format!("{at}{}", pointer()), reason);
        }
    });
}

/// Where the server reads a secret when it needs it.
pub fn place<'a>(fields: &Fields<'a>, name: &str, value: &'a RawValue, expected: &str) -> Option<ApiKeyRef> {
    let Some(mut members) = fields.nested(fields.at(name), value) else {
        fields.problem(name, expected);
        return None;
    };
    let mut place = |name| members.string(name).filter(|place| !place.is_empty());
    let reference = ApiKeyRef { env: place("env"), file: place("file") };
    members.refuse_unknown();
    if reference.env.is_some() == reference.file.is_some() {
        fields.problem(name, expected);
        return None;
    }
    Some(reference)
}
