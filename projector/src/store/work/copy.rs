//! All of a work store into another one.

use super::open_database;
use crate::{
    blocking::blocking,
    store::{
        Database, StoreError,
        database::{Cells, Readers, Writer},
        statement::{Script, Statement, Table, Value},
    },
};

/// Rows in one transaction.
const PAGE: u64 = 500;
/// Inference tasks, whose answers may be large.
const LARGE_PAGE: u64 = 1;

/// A table, and how many of its first columns are its key.
struct Copied {
    table: Table,
    key: usize,
    page: u64,
}

/// Those that messages belong to come first. Starts of servers are not copied: none of them is there.
const TABLES: [Copied; 4] = [
    Copied {
        table: Table {
            name: "threads",
            columns: &["id", "owner_id", "agent_id", "title", "created_at", "last_turn_at"],
        },
        key: 1,
        page: PAGE,
    },
    Copied {
        table: Table {
            name: "messages",
            columns: &[
                "thread_id",
                "turn_index",
                "role",
                "content",
                "tool_calls",
                "status",
                "created_at",
                "tool_call_id",
                "boot_id",
            ],
        },
        key: 2,
        page: PAGE,
    },
    Copied {
        table: Table {
            name: "inference_tasks",
            columns: &[
                "id",
                "owner_id",
                "llm",
                "pool",
                "path",
                "request",
                "status",
                "attempts",
                "answered_by",
                "error",
                "code",
                "answer_status",
                "content_type",
                "answer",
                "created_at",
                "claimed_at",
                "finished_at",
                "idempotency_key",
                "request_hash",
                "boot_id",
            ],
        },
        key: 1,
        page: LARGE_PAGE,
    },
    Copied { table: Table { name: "token_uses", columns: &["token_id", "used_at"] }, key: 1, page: PAGE },
];

/// Copies threads, messages, inference tasks and last uses of tokens, and leaves what is there already as it is; how many
/// rows there were. What was interrupted goes on when it is done again. `reach` is told how many there were so far.
pub async fn copy(
    from: Database,
    to: Database,
    mut reach: impl FnMut(u64) + Send + 'static,
) -> Result<u64, StoreError> {
    blocking(move || {
        let ((_, readers), (mut writer, _)) = (open_database(&from)?, open_database(&to)?);
        let mut rows = 0;
        for copied in &TABLES {
            rows = copy_table(copied, &readers, &mut writer, rows, &mut reach)?;
        }
        Ok(rows)
    })
    .await
}

/// Copies one table; `rows` are those of the tables before it.
fn copy_table(
    copied: &Copied,
    readers: &Readers,
    writer: &mut Writer,
    mut rows: u64,
    reach: &mut impl FnMut(u64),
) -> Result<u64, StoreError> {
    let mut last = None::<Vec<Value>>;
    loop {
        let page = readers.fetch(&select(copied, last.as_deref()), |cells| values(&copied.table, cells))?;
        let Some(end) = page.last() else { return Ok(rows) };
        last = Some(end[..copied.key].to_vec());
        rows += page.len() as u64;
        let mut script = Script::default();
        script.insert_missing(&copied.table, &page, Clone::clone);
        writer.transact(|writer| writer.execute_all(&script.statements))?;
        reach(rows);
    }
}

/// The next rows, in the order of their key.
fn select(copied: &Copied, after: Option<&[Value]>) -> Statement {
    let Copied { table, key, .. } = copied;
    let mut statement = Statement::new(&format!("SELECT {} FROM {}", table.columns.join(","), table.name));
    let key = table.columns[..*key].join(",");
    if let Some(after) = after {
        statement.sql(&format!(" WHERE ({key}) > ")).tuple(after.iter().cloned());
    }
    statement.sql(&format!(" ORDER BY {key} LIMIT ")).arg(copied.page);
    statement
}

fn values(table: &Table, cells: &mut Cells) -> Result<Vec<Value>, String> {
    table.columns.iter().map(|_| cells.value()).collect()
}
