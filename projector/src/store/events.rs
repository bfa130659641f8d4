//! The index over the log: where to find which event.

use super::{
    At, StoreError, Tables,
    database::Cells,
    rows::escape_like,
    statement::{Script, Statement, Table, Value},
};
use crate::projection::IndexEntry;
use mcpctl_events::{log::Position, time::LogTime};

pub(super) const TABLE: Table = Table { name: "events", columns: &["sequence", "position", "type", "subject", "time"] };

/// The prefix that a type's glob may leave out.
const PREFIX: &str = "mcpctl.";

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef {
    /// Its sequence.
    pub sequence: u64,
    /// Place of its record in the log.
    pub position: Position,
}

/// Which events, in the order of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// With a sequence above this.
    pub after: u64,
    /// With a sequence of at most this.
    pub until: Option<u64>,
    /// With a type that fits this glob (`*` any run of characters, `?` any one); `mcpctl.` may be left out.
    pub type_glob: Option<String>,
    /// About exactly this subject, as in `agent/local-coder`.
    pub subject: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// The newest first: then `limit` counts from the end.
    pub newest_first: bool,
}

impl Tables {
    /// Finds events.
    pub async fn events(&self, filter: &EventFilter) -> Result<At<Vec<EventRef>>, StoreError> {
        self.fetch(select(filter), read).await
    }
}

impl Tables {
    /// The last event that was decided at this time or before; 0 if there is none.
    pub async fn last_event_at(&self, time: LogTime) -> Result<u64, StoreError> {
        let mut end =
            self.fetch(Statement::new("SELECT COALESCE(MAX(sequence), 0) FROM events"), read_sequence).await?;
        let (mut before, mut after) = (0, end.value.pop().unwrap_or_default() + 1);
        // Times never go back along the log: halving finds the place without an index for them.
        while before + 1 < after {
            let middle = before + (after - before) / 2;
            let mut statement = Statement::new("SELECT sequence FROM events WHERE sequence = ");
            statement.arg(middle).sql(" AND time <= ").arg(time);
            let is_later = self.fetch(statement, read_sequence).await?.value.is_empty();
            if is_later {
                after = middle;
            } else {
                before = middle;
            }
        }
        Ok(before)
    }
}

fn read_sequence(cells: &mut Cells) -> Result<u64, String> {
    cells.number()
}

fn read(cells: &mut Cells) -> Result<EventRef, String> {
    Ok(EventRef { sequence: cells.number()?, position: Position(cells.number()?) })
}

pub(super) fn write(script: &mut Script, events: &[IndexEntry]) {
    script.insert_new(&TABLE, events, bind);
}

/// The values of an entry, in the order of [`TABLE`].
pub(super) fn bind(event: &IndexEntry) -> Vec<Value> {
    vec![
        event.sequence.into(),
        event.position.0.into(),
        event.type_name.into(),
        event.subject.as_str().into(),
        event.time.into(),
    ]
}

fn select(filter: &EventFilter) -> Statement {
    let mut statement = Statement::new("SELECT sequence, position FROM events WHERE sequence > ");
    statement.arg(filter.after);
    if let Some(until) = filter.until {
        statement.sql(" AND sequence <= ").arg(until);
    }
    if let Some(subject) = &filter.subject {
        statement.sql(" AND subject = ").arg(subject.as_str());
    }
    if let Some(glob) = &filter.type_glob {
        match_type(&mut statement, glob);
    }
    let order = if filter.newest_first { " DESC" } else { "" };
    statement.sql(" ORDER BY sequence").sql(order).sql(" LIMIT ").arg(u64::from(filter.limit));
    statement
}

/// The glob for whole types: `mcpctl.` may be left out.
pub fn type_pattern(glob: &str) -> String {
    if glob.starts_with(PREFIX) || glob.starts_with('*') { glob.to_owned() } else { format!("{PREFIX}{glob}") }
}

fn match_type(statement: &mut Statement, glob: &str) {
    let glob = type_pattern(glob);
    if glob.contains(['*', '?']) {
        let pattern = escape_like(&glob).replace('*', "%").replace('?', "_");
        statement.sql(" AND type LIKE ").arg(Value::from(pattern)).sql(" ESCAPE '\\'");
    } else {
        statement.sql(" AND type = ").arg(glob);
    }
}
