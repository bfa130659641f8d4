//! Changes of the work store.

use super::rows::{self, MessageStatus, NewThread};
use crate::store::{
    StoreError,
    sqlite::{Cells, Writer},
    statement::{Statement, Value},
};
use mcpctl_events::{json::Json, time::LogTime};
use uuid::Uuid;

/// A turn to begin.
#[derive(Debug, Clone)]
pub struct BeginTurn {
    /// Where.
    pub thread: TurnThread,
    /// What the user says.
    pub message: String,
    /// When.
    pub at: LogTime,
}

/// The thread of a turn.
#[derive(Debug, Clone)]
pub enum TurnThread {
    /// It begins with this turn.
    New(NewThread),
    /// It is there, and belongs to this owner.
    Existing {
        /// The thread.
        id: Uuid,
        /// Whose it must be.
        owner: Uuid,
    },
}

/// Where the messages of a turn stand in their thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The user's message.
    pub user_index: u64,
    /// The assistant's, pending.
    pub assistant_index: u64,
}

/// What became of a pending message.
#[derive(Debug, Clone)]
pub struct FinishTurn {
    /// The thread.
    pub thread: Uuid,
    /// The pending message.
    pub turn_index: u64,
    /// Its text, as far as it came.
    pub content: Option<String>,
    /// Tool calls as the model made them.
    pub tool_calls: Option<Json>,
    /// Whether the turn failed.
    pub failed: bool,
}

#[derive(Debug)]
pub(super) enum Task {
    Create(NewThread, LogTime),
    Begin(BeginTurn),
    Finish(FinishTurn),
    Delete(Uuid, Uuid),
    FailPending(Option<LogTime>),
    /// A change of inference tasks.
    Inference(Statement),
}

#[derive(Debug)]
pub(super) enum Answer {
    Changed(u64),
    Turn(Option<Turn>),
}

impl Task {
    /// Runs within the open transaction.
    pub(super) fn run(&self, writer: &Writer) -> Result<Answer, StoreError> {
        let statement = match self {
            Self::Create(thread, at) => rows::insert(thread, *at),
            Self::Begin(turn) => return begin(writer, turn).map(Answer::Turn),
            Self::Finish(turn) => finish(turn),
            Self::Delete(id, owner) => delete(*id, *owner),
            Self::FailPending(before) => fail_pending(*before),
            Self::Inference(statement) => return count(writer, statement),
        };
        count(writer, &statement)
    }
}

fn count(writer: &Writer, statement: &Statement) -> Result<Answer, StoreError> {
    writer.execute(statement).map(|rows| Answer::Changed(rows as u64))
}

fn begin(writer: &Writer, turn: &BeginTurn) -> Result<Option<Turn>, StoreError> {
    let (id, owner) = match &turn.thread {
        TurnThread::New(thread) => {
            writer.execute(&rows::insert(thread, turn.at))?;
            (thread.id, thread.owner)
        }
        TurnThread::Existing { id, owner } => {
            writer.execute(&touch(*id, *owner, turn.at))?;
            (*id, *owner)
        }
    };
    let indexes = writer.fetch(&insert_turn(id, owner, turn), read_index)?;
    let first = indexes.into_iter().min();
    Ok(first.map(|first| Turn { user_index: first, assistant_index: first + 1 }))
}

fn read_index(cells: &mut Cells) -> Result<u64, String> {
    cells.number()
}

fn touch(id: Uuid, owner: Uuid, at: LogTime) -> Statement {
    let mut statement = Statement::new("UPDATE threads SET last_turn_at = ");
    statement.arg(at).sql(" WHERE id = ").arg(Value::text(id)).sql(" AND owner_id = ").arg(Value::text(owner));
    statement
}

/// Both messages of a turn, at the end of the thread; none if it is not there.
fn insert_turn(id: Uuid, owner: Uuid, turn: &BeginTurn) -> Statement {
    let mut statement =
        Statement::new("INSERT INTO messages (thread_id, turn_index, role, content, status, created_at) ");
    let halves = [
        ("0, 'user', ", Some(&turn.message), MessageStatus::Complete),
        ("1, 'assistant', ", None, MessageStatus::Pending),
    ];
    for (n, (head, content, status)) in halves.into_iter().enumerate() {
        statement.sql(if n == 0 { "" } else { " UNION ALL " });
        statement.sql("SELECT t.id, (SELECT COALESCE(MAX(turn_index) + 1, 0) FROM messages WHERE thread_id = t.id) + ");
        statement.sql(head).arg(Value::Text(content.cloned())).sql(", '").sql(status.as_str()).sql("', ");
        statement.arg(turn.at).sql(" FROM threads AS t WHERE t.id = ").arg(Value::text(id));
        statement.sql(" AND t.owner_id = ").arg(Value::text(owner));
    }
    statement.sql(" RETURNING turn_index");
    statement
}

fn finish(turn: &FinishTurn) -> Statement {
    let status = if turn.failed { MessageStatus::Error } else { MessageStatus::Complete };
    let mut statement = Statement::new("UPDATE messages SET content = ");
    statement.arg(Value::Text(turn.content.clone())).sql(", tool_calls = ");
    statement.arg(Value::Text(turn.tool_calls.as_ref().map(|json| json.get().to_owned())));
    statement.sql(", status = ").arg(status.as_str()).sql(" WHERE thread_id = ").arg(Value::text(turn.thread));
    statement.sql(" AND turn_index = ").arg(turn.turn_index).sql(" AND status = 'pending'");
    statement
}

fn fail_pending(before: Option<LogTime>) -> Statement {
    let mut statement = Statement::new("UPDATE messages SET status = 'error' WHERE status = 'pending'");
    if let Some(before) = before {
        statement.sql(" AND created_at < ").arg(before);
    }
    statement
}

fn delete(id: Uuid, owner: Uuid) -> Statement {
    let mut statement = Statement::new("DELETE FROM threads WHERE id = ");
    statement.arg(Value::text(id)).sql(" AND owner_id = ").arg(Value::text(owner));
    statement
}
