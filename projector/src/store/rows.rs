//! What Llms and agents have in common: reading and writing rows, filters, pages.

use super::{
    StoreError, Tables,
    cells::as_word,
    database::Cells,
    statement::{Script, Statement, Table, Value},
};
use crate::projection::Changes;
use mcpctl_events::{
    definition::{AgentDefinition, LlmDefinition},
    event::row::{Kind, Status},
    state::{Connection, Row},
    time::LogTime,
};
use std::sync::Arc;

/// A row as the tables hold it, with what they know of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow<D> {
    /// The row, as lifecycle events left it.
    pub row: Row<D>,
    /// Where its session's stream is bound; none if it is not, or if the row has no session.
    pub connection: Option<Connection>,
    /// When its session was last heard, as far as the heartbeat stream has said.
    pub session_heartbeat_at: Option<LogTime>,
}

/// An Llm as the tables hold it.
pub type StoredLlm = StoredRow<LlmDefinition>;
/// An agent as the tables hold it.
pub type StoredAgent = StoredRow<AgentDefinition>;

impl<D> StoredRow<D> {
    /// When its publisher was last heard, as far as the tables know.
    pub fn last_heartbeat_at(&self) -> Option<LogTime> {
        self.row.last_heartbeat_at.max(self.session_heartbeat_at)
    }
}

/// An answer, and the sequence that the tables were at in the very snapshot that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The answer.
    pub value: T,
    /// Sequence of the last event that it takes into account.
    pub sequence: u64,
}

impl<T> At<Vec<T>> {
    /// The page that was asked for, of one row more than that.
    pub(super) fn page(self, limit: Option<u32>, name: impl Fn(&T) -> String) -> Page<T> {
        let Self { value: mut items, sequence } = self;
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(name);
        Page { items, next, sequence }
    }

    /// The one that has the name, or else the one that has it as its id.
    pub(super) fn named(self, has_name: impl Fn(&T) -> bool) -> At<Option<T>> {
        let Self { value: mut found, sequence } = self;
        let named = found.iter().position(has_name);
        At { value: named.map(|n| found.swap_remove(n)).or_else(|| found.pop()), sequence }
    }
}

/// A part of a list, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins ([`RowFilter::after`]); none on the last page.
    pub next: Option<String>,
    /// Sequence of the last event that the page takes into account.
    pub sequence: u64,
}

/// Which rows of a list, and how many. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this status.
    pub status: Option<Status>,
    /// With all of these labels.
    pub labels: Vec<(String, String)>,
    /// With this text in the name or the description, in any case of letters.
    pub q: Option<String>,
    /// With a name after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What a definition needs to be kept in a table of rows.
pub(crate) trait Stored: Sized + Send + Sync + 'static {
    /// Its table: the columns of every row, `name` first, then the definition's.
    const TABLE: Table;
    /// The definition's values, in the order of the table.
    fn bind(&self) -> Vec<Value>;
    /// The same, back.
    fn read(cells: &mut Cells) -> Result<Self, String>;
}

/// Writes and deletes rows.
pub(super) fn write<D: Stored>(script: &mut Script, changes: &Changes<Arc<Row<D>>>) {
    script.delete(&D::TABLE, &changes.gone);
    script.upsert(&D::TABLE, &changes.put, |row| bind(row));
}

/// A row's values, in the order of its table.
pub(super) fn bind<D: Stored>(row: &Row<D>) -> Vec<Value> {
    let mut values = Vec::with_capacity(D::TABLE.columns.len());
    values.extend([
        Value::from(row.name.as_str()),
        Value::text(row.id),
        row.kind.as_str().into(),
        row.status.as_str().into(),
        row.awake_status.as_str().into(),
        row.disabled.into(),
        Value::text_or_null(row.session.as_ref()),
        Value::text(row.owner),
        row.version.into(),
        Value::text_or_null(row.last_heartbeat_at),
        Value::text_or_null(row.inactive_since),
        row.created_at.into(),
        row.updated_at.into(),
    ]);
    values.extend(row.definition.bind());
    values
}

fn read<D: Stored>(cells: &mut Cells) -> Result<StoredRow<D>, String> {
    let row = Row {
        name: cells.word()?,
        id: cells.parse()?,
        kind: cells.word()?,
        status: cells.word()?,
        awake_status: cells.word()?,
        disabled: cells.flag()?,
        session: cells.word_or_null()?,
        owner: cells.parse()?,
        version: cells.number()?,
        last_heartbeat_at: cells.parse_or_null()?,
        inactive_since: cells.parse_or_null()?,
        created_at: cells.parse()?,
        updated_at: cells.parse()?,
        definition: Arc::new(D::read(cells)?),
    };
    let connection = super::sessions::read_connection(cells)?;
    Ok(StoredRow { row, connection, session_heartbeat_at: cells.parse_or_null()? })
}

/// A `SELECT` of rows whose conditions are still being written.
pub(super) struct Select {
    statement: Statement,
    any: bool,
}

impl Select {
    pub(super) fn from<D: Stored>() -> Self {
        let columns: Vec<_> = D::TABLE.columns.iter().map(|column| format!("t.{column}")).collect();
        let sql = format!(
            "SELECT {},s.node,s.boot_id,s.transport,s.heartbeat_at FROM {} AS t LEFT JOIN sessions AS s \
             ON s.id = t.session_id",
            columns.join(","),
            D::TABLE.name,
        );
        Self::new(&sql)
    }

    /// Of a table that is called `t` in `sql`.
    pub(super) fn new(sql: &str) -> Self {
        Self { statement: Statement::new(sql), any: false }
    }

    /// Begins a condition that must hold too.
    pub(super) fn and(&mut self, sql: &str) -> &mut Statement {
        let glue = if std::mem::replace(&mut self.any, true) { " AND " } else { " WHERE " };
        self.statement.sql(glue).sql(sql)
    }

    pub(super) fn filter(&mut self, filter: &RowFilter) {
        if let Some(kind) = filter.kind {
            self.and("t.kind = ").arg(kind.as_str());
        }
        if let Some(status) = filter.status {
            self.and("t.status = ").arg(status.as_str());
        }
        for (key, value) in &filter.labels {
            self.label(key, value);
        }
        if let Some(q) = &filter.q {
            self.mentions("description", q);
        }
        if let Some(after) = &filter.after {
            self.and("t.name > ").arg(after.as_str());
        }
    }

    /// With this text in the name or in another column, in any case of letters.
    pub(super) fn mentions(&mut self, column: &str, text: &str) {
        let pattern = format!("%{}%", escape_like(&text.to_lowercase()));
        let statement = self.and("(lower(t.name) LIKE ").arg(pattern.as_str()).sql(" ESCAPE '\\'");
        statement.sql(" OR lower(t.").sql(column).sql(") LIKE ").arg(pattern).sql(" ESCAPE '\\')");
    }

    /// Of this name, or of this id.
    pub(super) fn is(&mut self, name_or_id: &str) {
        self.and("(t.name = ").arg(name_or_id).sql(" OR t.id = ").arg(name_or_id.to_ascii_lowercase()).sql(")");
    }

    /// Labels are JSON text, written without white space: a pair is found by its exact text, which can only stand
    /// after `{` or `,`, for quotes within strings are escaped.
    fn label(&mut self, key: &str, value: &str) {
        let pair = format!("{}:{}", serde_json::Value::from(key), serde_json::Value::from(value));
        for (n, before) in ["{", ","].iter().enumerate() {
            let sql = "replace(t.labels, ";
            let statement = if n == 0 { self.and("(").sql(sql) } else { self.statement.sql(" OR ").sql(sql) };
            statement.arg(format!("{before}{pair}")).sql(", '') <> t.labels");
        }
        self.statement.sql(")");
    }

    pub(super) fn finish(mut self, limit: Option<u32>) -> Statement {
        self.statement.sql(" ORDER BY t.name");
        if let Some(limit) = limit {
            // One more, to know whether there is a next page.
            self.statement.sql(" LIMIT ").arg(u64::from(limit) + 1);
        }
        self.statement
    }
}

pub(super) fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

impl Tables {
    pub(super) async fn page<D: Stored>(
        &self,
        select: Select,
        limit: Option<u32>,
    ) -> Result<Page<StoredRow<D>>, StoreError> {
        let found = self.select(select.finish(limit)).await?;
        Ok(found.page(limit, |stored: &StoredRow<D>| stored.row.name.to_string()))
    }

    /// One row, by name or else by id.
    pub(super) async fn one<D: Stored>(&self, name_or_id: &str) -> Result<At<Option<StoredRow<D>>>, StoreError> {
        let mut select = Select::from::<D>();
        select.is(name_or_id);
        let found = self.select::<D>(select.finish(None)).await?;
        Ok(found.named(|stored| stored.row.name.as_str() == name_or_id))
    }

    async fn select<D: Stored>(&self, statement: Statement) -> Result<At<Vec<StoredRow<D>>>, StoreError> {
        self.fetch(statement, read).await
    }
}

pub(super) fn json_text(value: &impl serde::Serialize) -> String {
    // Maps have string keys, so encoding cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// The word of a transport, a role, …
pub(super) fn word(value: &impl serde::Serialize) -> Value {
    as_word(value).into()
}
