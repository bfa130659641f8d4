//! What users may do besides what the roles of their tokens allow.

use super::statement::{Script, Table, Value};
use crate::projection::{Binding, Changes, binding_key};

#[rustfmt::skip]
pub(super) const TABLE: Table = Table {
    name: "role_bindings",
    columns: &["binding", "user_name", "verb", "resource", "created_at"],
};

pub(super) fn write(script: &mut Script, changes: &Changes<Binding>) {
    script.delete(&TABLE, &changes.gone);
    script.upsert(&TABLE, &changes.put, bind);
}

/// The values of a binding, in the order of [`TABLE`].
pub(super) fn bind(binding: &Binding) -> Vec<Value> {
    let Binding { user, grant, created_at } = binding;
    vec![
        Value::text(binding_key(user, grant)),
        user.as_str().into(),
        grant.verb.as_str().into(),
        Value::text(grant.resource()),
        (*created_at).into(),
    ]
}
