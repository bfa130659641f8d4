//! Keys that look like secrets have no place in a registry that everyone may read.

use crate::json::{Fields, each_key};
use mcpctl_events::{json::Json, wire::secrets::is_suspect};

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
