//! Tokens, by their hash alone.

use super::{
    rows::word,
    statement::{Script, Table, Value},
};
use crate::projection::Changes;
use mcpctl_events::state::Token;

#[rustfmt::skip]
pub(super) const TABLE: Table = Table {
    name: "tokens",
    columns: &["name", "id", "user_id", "user_name", "role", "sha256", "expires_at", "created_at"],
};

pub(super) fn write(script: &mut Script, changes: &Changes<Token>) {
    script.delete(&TABLE, &changes.gone);
    script.upsert(&TABLE, &changes.put, bind);
}

/// The values of a token, in the order of [`TABLE`].
pub(super) fn bind(token: &Token) -> Vec<Value> {
    vec![
        token.name.as_str().into(),
        Value::text(token.id),
        Value::text(token.user_id),
        token.user.as_str().into(),
        word(&token.role),
        Value::text(token.sha256),
        Value::text_or_null(token.expires_at),
        token.created_at.into(),
    ]
}
