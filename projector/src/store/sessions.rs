//! Sessions, and the overlay that the heartbeat stream puts over them.

use super::{
    database::Cells,
    rows::word,
    statement::{Script, Statement, Table, Value},
};
use crate::projection::Changes;
use mcpctl_events::{
    name::SessionId,
    state::{Connection, Session},
    time::LogTime,
};

/// Without `heartbeat_at`: a write of the row leaves the overlay alone.
#[rustfmt::skip]
pub(super) const TABLE: Table = Table {
    name: "sessions",
    columns: &["id", "user_id", "epoch", "node", "boot_id", "transport", "last_heartbeat_at", "created_at"],
};

/// Heartbeats in one statement.
const HEARTBEATS: usize = 64;

pub(super) fn write(script: &mut Script, changes: &Changes<(SessionId, Session)>) {
    script.delete(&TABLE, &changes.gone);
    script.upsert(&TABLE, &changes.put, |(id, session)| bind(id, session));
}

/// The values of a session, in the order of [`TABLE`].
pub(super) fn bind(id: &SessionId, session: &Session) -> Vec<Value> {
    let connection = session.connection.as_ref();
    vec![
        id.as_str().into(),
        Value::text(session.user_id),
        session.epoch.into(),
        Value::Text(connection.map(|at| at.node.clone())),
        Value::text_or_null(connection.map(|at| at.boot_id)),
        connection.map_or(Value::Text(None), |at| word(&at.transport)),
        session.last_heartbeat_at.into(),
        session.created_at.into(),
    ]
}

/// Reads `node`, `boot_id` and `transport`.
pub(super) fn read_connection(cells: &mut Cells) -> Result<Option<Connection>, String> {
    let node = cells.text_or_null()?.map(str::to_owned);
    let (boot_id, transport) = (cells.parse_or_null()?, cells.word_or_null()?);
    Ok(match (node, boot_id, transport) {
        (Some(node), Some(boot_id), Some(transport)) => Some(Connection { node, boot_id, transport }),
        _ => None,
    })
}

pub(super) fn note_heartbeats(heard: &[(SessionId, LogTime)]) -> Script {
    let mut script = Script::default();
    for heard in heard.chunks(HEARTBEATS) {
        // The first part, without rows, says of which types the values are.
        let statement = script.next("WITH heard (id, at) AS (SELECT id, heartbeat_at FROM sessions WHERE 1 = 0");
        for (id, at) in heard {
            statement.sql(" UNION ALL SELECT ").arg(id.as_str()).sql(", ").arg(*at);
        }
        statement.sql(
            ") UPDATE sessions SET heartbeat_at = heard.at FROM heard WHERE heard.id = sessions.id \
             AND (sessions.heartbeat_at IS NULL OR sessions.heartbeat_at < heard.at)",
        );
    }
    script
}

/// The overlay, to be read by [`read_heartbeat`].
pub(super) fn heartbeats() -> Statement {
    Statement::new("SELECT id, heartbeat_at FROM sessions WHERE heartbeat_at IS NOT NULL")
}

pub(super) fn read_heartbeat(cells: &mut Cells) -> Result<(SessionId, LogTime), String> {
    Ok((cells.word()?, cells.parse()?))
}
