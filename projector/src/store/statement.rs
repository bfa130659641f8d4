//! SQL with its arguments, written once for every database: `$1` placeholders, multi-row `VALUES`, and
//! `ON CONFLICT … DO UPDATE` are all it needs.

use mcpctl_events::time::LogTime;
use std::fmt::{Display, Write};

/// Rows in one multi-row statement: a few sizes only, so that prepared statements are used again.
const EXACT_UP_TO: usize = 8;
const LARGER: [usize; 2] = [64, 16];

/// An argument; the type of a NULL is known too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        // Sequences, positions and counts stay below 2^63; admission sees to it.
        Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<Option<u32>> for Value {
    fn from(value: Option<u32>) -> Self {
        Self::Int(value.map(i64::from))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<LogTime> for Value {
    fn from(value: LogTime) -> Self {
        Self::text(value)
    }
}

impl Value {
    pub(crate) fn text(value: impl Display) -> Self {
        Self::Text(Some(value.to_string()))
    }

    pub(crate) fn text_or_null(value: Option<impl Display>) -> Self {
        Self::Text(value.map(|value| value.to_string()))
    }
}

/// One statement.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub sql: String,
    pub args: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), args: Vec::new() }
    }

    pub(crate) fn sql(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Writes the next placeholder and keeps its argument.
    pub(crate) fn arg(&mut self, value: impl Into<Value>) -> &mut Self {
        self.args.push(value.into());
        let n = self.args.len();
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "${n}");
        self
    }

    /// `head` and the values with commas between them, in parentheses.
    pub(crate) fn tuple(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        self.sql.push('(');
        for (n, value) in values.into_iter().enumerate() {
            self.sql(if n == 0 { "" } else { "," }).arg(value);
        }
        self.sql(")")
    }
}

/// Statements that are to be run one after the other, in one transaction.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    pub statements: Vec<Statement>,
}

impl Script {
    /// Begins the next statement.
    pub(crate) fn next(&mut self, sql: &str) -> &mut Statement {
        self.statements.push(Statement::new(sql));
        let last = self.statements.len() - 1;
        &mut self.statements[last]
    }

    /// Writes rows of a table: inserts, or replaces what has the same key, the first column.
    pub(crate) fn upsert<R>(&mut self, table: &Table, rows: &[R], bind: impl Fn(&R) -> Vec<Value>) {
        for rows in chunks(rows) {
            let statement = self.insert(table, rows, &bind);
            let (key, rest) = (table.columns[0], &table.columns[1..]);
            statement.sql(" ON CONFLICT (").sql(key).sql(") DO UPDATE SET ");
            for (n, column) in rest.iter().enumerate() {
                statement.sql(if n == 0 { "" } else { "," }).sql(column).sql("=excluded.").sql(column);
            }
        }
    }

    /// Writes new rows of a table.
    pub(crate) fn insert_new<R>(&mut self, table: &Table, rows: &[R], bind: impl Fn(&R) -> Vec<Value>) {
        for rows in chunks(rows) {
            self.insert(table, rows, &bind);
        }
    }

    /// Writes rows of a table, but those that are there.
    pub(crate) fn insert_missing<R>(&mut self, table: &Table, rows: &[R], bind: impl Fn(&R) -> Vec<Value>) {
        for rows in chunks(rows) {
            self.insert(table, rows, &bind).sql(" ON CONFLICT DO NOTHING");
        }
    }

    fn insert<R>(&mut self, table: &Table, rows: &[R], bind: &impl Fn(&R) -> Vec<Value>) -> &mut Statement {
        let statement = self.next("INSERT INTO ");
        statement.sql(table.name).sql(" (").sql(&table.columns.join(",")).sql(") VALUES ");
        for (n, row) in rows.iter().enumerate() {
            statement.sql(if n == 0 { "" } else { "," }).tuple(bind(row));
        }
        statement
    }

    /// Deletes rows by key, the first column.
    pub(crate) fn delete(&mut self, table: &Table, keys: &[String]) {
        for keys in chunks(keys) {
            let statement = self.next("DELETE FROM ");
            statement.sql(table.name).sql(" WHERE ").sql(table.columns[0]).sql(" IN ");
            statement.tuple(keys.iter().cloned().map(Value::from));
        }
    }
}

/// A table and its columns, the key first.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: &'static str,
    pub columns: &'static [&'static str],
}

/// Cuts rows into pieces of few different sizes.
fn chunks<R>(mut rows: &[R]) -> impl Iterator<Item = &[R]> {
    std::iter::from_fn(move || {
        let size = LARGER.into_iter().find(|size| rows.len() >= *size).unwrap_or(EXACT_UP_TO.min(rows.len()));
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table { name: "t", columns: &["k", "v"] };

    #[test]
    fn rows_are_cut_into_few_sizes() {
        let sizes = |n: usize| chunks(&vec![(); n]).map(<[()]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(3), [3]);
        assert_eq!(sizes(90), [64, 16, 8, 2]);
    }

    #[test]
    fn each_statement_counts_its_own_arguments() {
        let mut script = Script::default();
        script.delete(&TABLE, &["x".to_owned()]);
        script.upsert(&TABLE, &[(1, "a"), (2, "b")], |row| vec![Value::from(row.0), Value::from(row.1)]);
        let texts: Vec<_> = script.statements.iter().map(|statement| statement.sql.as_str()).collect();
        let upsert = "INSERT INTO t (k,v) VALUES ($1,$2),($3,$4) ON CONFLICT (k) DO UPDATE SET v=excluded.v";
        assert_eq!(texts, ["DELETE FROM t WHERE k IN ($1)", upsert]);
        assert_eq!(script.statements[1].args, [1.into(), "a".into(), 2.into(), "b".into()]);
    }
}
