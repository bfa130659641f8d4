//! Reads the tables, in one snapshot, next to what they should hold.

use super::{
    StoreError, Tables, bindings, checkpoint,
    database::{Cells, Snapshot},
    documents, events, rows, sessions,
    statement::{Statement, Table, Value},
    tokens,
};
use crate::{
    Checkpoint,
    projection::{Binding, IndexEntry, binding_key},
    verify::{Difference, Report, What},
};
use mcpctl_events::{
    access::Grant,
    name::{Name, SessionId},
    state::{Document, Ordered, Row, Session, Token},
    time::LogTime,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Entries of the event index that are read at once.
const PAGE: u64 = 5000;
/// Most letters of a value in a difference.
const SHOWN: usize = 200;

/// One snapshot of the tables.
pub(crate) struct Verifier {
    snapshot: Snapshot,
    /// Entries of the event index that were read and not compared yet.
    index: VecDeque<(u64, Vec<Value>)>,
    /// The last sequence that was read from the index.
    read: u64,
}

impl Verifier {
    pub(crate) fn open(tables: &Tables) -> Result<(Self, Checkpoint), StoreError> {
        // Turns to the tables that a rebuild has made.
        tables.checkpoint_blocking()?;
        let live = tables.live();
        let snapshot = live.snapshot()?;
        let found = snapshot.fetch(&checkpoint::select(), checkpoint::decode)?.pop();
        let (checkpoint, _) = found.ok_or_else(|| live.damaged("the checkpoint is missing"))?;
        Ok((Self { snapshot, index: VecDeque::new(), read: 0 }, checkpoint))
    }

    /// Compares all Llms, or all agents.
    pub(crate) fn rows<'a, D: rows::Stored + 'a>(
        &mut self,
        expected: impl Iterator<Item = &'a Arc<Row<D>>>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let expected = expected.map(|row| (row.name.to_string(), rows::bind(row))).collect();
        self.table(&D::TABLE, expected, report)
    }

    /// Compares all documents of one kind.
    pub(crate) fn documents<'a, D: documents::Stored + 'a>(
        &mut self,
        expected: impl Iterator<Item = &'a Arc<Document<D>>>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let expected = expected.map(|document| (document.name.to_string(), documents::bind(document))).collect();
        self.table(&D::TABLE, expected, report)
    }

    pub(crate) fn sessions(
        &mut self,
        expected: &Ordered<SessionId, Session>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let expected = expected.iter().map(|(id, session)| (id.to_string(), sessions::bind(id, session))).collect();
        self.table(&sessions::TABLE, expected, report)
    }

    pub(crate) fn tokens<'a>(
        &mut self,
        expected: impl Iterator<Item = &'a Token>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let expected = expected.map(|token| (token.name.to_string(), tokens::bind(token))).collect();
        self.table(&tokens::TABLE, expected, report)
    }

    pub(crate) fn bindings(
        &mut self,
        expected: &BTreeMap<Name, BTreeMap<Grant, LogTime>>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let all = expected.iter().flat_map(|(user, grants)| grants.iter().map(move |(grant, at)| (user, grant, at)));
        let binding = |(user, grant, at): (&Name, &Grant, &LogTime)| Binding {
            user: user.clone(),
            grant: grant.clone(),
            created_at: *at,
        };
        let expected = all.map(|it| (binding_key(it.0, it.1), bindings::bind(&binding(it)))).collect();
        self.table(&bindings::TABLE, expected, report)
    }

    fn table(
        &mut self,
        table: &Table,
        mut expected: BTreeMap<String, Vec<Value>>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        self.snapshot.fetch(&select(table), |cells| {
            let found = values(table, cells)?;
            let key = shown_key(&found);
            match expected.remove(&key) {
                Some(values) => compare(table, &key, &found, &values, report),
                None => report.add(Difference { table: table.name, key, what: What::Surplus }),
            }
            Ok(())
        })?;
        for key in expected.into_keys() {
            report.add(Difference { table: table.name, key, what: What::Missing });
        }
        Ok(())
    }

    /// Compares the next entry of the event index.
    pub(crate) fn event(&mut self, expected: &IndexEntry, report: &mut Report) -> Result<(), StoreError> {
        let mut found = None;
        while let Some((sequence, row)) = self.next_event()? {
            if sequence > expected.sequence {
                self.index.push_front((sequence, row));
                break;
            }
            if sequence == expected.sequence {
                found = Some(row);
                break;
            }
            report.add(surplus(sequence));
        }
        let key = expected.sequence.to_string();
        match found {
            Some(row) => compare(&events::TABLE, &key, &row, &events::bind(expected), report),
            None => report.add(Difference { table: events::TABLE.name, key, what: What::Missing }),
        }
        Ok(())
    }

    /// Reports what is left of the event index.
    pub(crate) fn surplus_events(&mut self, report: &mut Report) -> Result<(), StoreError> {
        while let Some((sequence, _)) = self.next_event()? {
            report.add(surplus(sequence));
        }
        Ok(())
    }

    fn next_event(&mut self) -> Result<Option<(u64, Vec<Value>)>, StoreError> {
        if self.index.is_empty() {
            let mut statement = select(&events::TABLE);
            statement.sql(" WHERE sequence > ").arg(self.read).sql(" ORDER BY sequence LIMIT ").arg(PAGE);
            let read = |cells: &mut Cells| values(&events::TABLE, cells);
            for row in self.snapshot.fetch(&statement, read)? {
                let sequence = shown_key(&row).parse().unwrap_or(u64::MAX);
                self.index.push_back((sequence, row));
                self.read = sequence;
            }
        }
        Ok(self.index.pop_front())
    }
}

fn select(table: &Table) -> Statement {
    Statement::new(&format!("SELECT {} FROM {}", table.columns.join(","), table.name))
}

fn surplus(sequence: u64) -> Difference {
    Difference { table: events::TABLE.name, key: sequence.to_string(), what: What::Surplus }
}

/// The values of a row, whatever they are.
fn values(table: &Table, cells: &mut Cells) -> Result<Vec<Value>, String> {
    table.columns.iter().map(|_| cells.value()).collect()
}

fn compare(table: &Table, key: &str, found: &[Value], expected: &[Value], report: &mut Report) {
    report.rows += 1;
    for ((column, found), expected) in table.columns.iter().zip(found).zip(expected) {
        let (found, expected) = (shown(found), shown(expected));
        if found != expected {
            let what = What::Value { column, found: shortened(found), expected: shortened(expected) };
            report.add(Difference { table: table.name, key: key.to_owned(), what });
        }
    }
}

/// As much of a value as helps to find it.
fn shortened(text: String) -> String {
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

/// The key of a row: its first value.
fn shown_key(row: &[Value]) -> String {
    match row.first() {
        Some(Value::Text(Some(text))) => text.clone(),
        Some(value) => shown(value),
        None => String::new(),
    }
}

/// A value as people read it; no two different values look the same.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(Some(text)) => format!("`{text}`"),
        Value::Int(Some(int)) => int.to_string(),
        Value::Text(None) | Value::Int(None) => "null".to_owned(),
    }
}
