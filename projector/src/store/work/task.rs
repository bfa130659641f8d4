//! Changes of the work store.

use super::rows::{self, MessageStatus, NewThread};
use crate::store::{
    StoreError,
    database::{Cells, Writer},
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

impl Turn {
    pub(super) fn of(places: &[u64]) -> Option<Self> {
        let first = places.iter().copied().min()?;
        Some(Self { user_index: first, assistant_index: first + 1 })
    }
}

/// One step of a turn.
#[derive(Debug, Clone)]
pub struct Step {
    /// The thread.
    pub thread: Uuid,
    /// Pending messages that are done.
    pub finished: Vec<Finished>,
    /// Messages that begin now, in order, at the end of the thread.
    pub next: Vec<Pending>,
    /// When.
    pub at: LogTime,
}

/// What became of a pending message.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// Where it is.
    pub turn_index: u64,
    /// Its text, as far as it came.
    pub content: Option<String>,
    /// Tool calls as the model made them.
    pub tool_calls: Option<Json>,
    /// Whether it failed.
    pub failed: bool,
}

/// A message that is yet to come.
#[derive(Debug, Clone)]
pub enum Pending {
    /// The model's.
    Assistant,
    /// A tool's, which answers the call of this id.
    Tool(String),
}

#[derive(Debug)]
pub(super) enum Task {
    Create(NewThread, LogTime),
    Begin(BeginTurn, Uuid),
    Step(Step, Uuid),
    Delete(Uuid, Option<Uuid>),
    /// One statement that is all there is to it.
    Plain(Statement),
}

#[derive(Debug)]
pub(super) enum Answer {
    Changed(u64),
    /// Where messages were put, if they were.
    Placed(Option<Vec<u64>>),
}

impl Task {
    /// Runs within the open transaction.
    pub(super) fn run(&self, writer: &Writer) -> Result<Answer, StoreError> {
        let statement = match self {
            Self::Create(thread, at) => rows::insert(thread, *at),
            Self::Begin(turn, boot) => return begin(writer, turn, *boot).map(Answer::Placed),
            Self::Step(turn, boot) => return step(writer, turn, *boot).map(Answer::Placed),
            Self::Delete(id, owner) => delete(*id, *owner),
            Self::Plain(statement) => return count(writer, statement),
        };
        count(writer, &statement)
    }
}

fn count(writer: &Writer, statement: &Statement) -> Result<Answer, StoreError> {
    writer.execute(statement).map(|rows| Answer::Changed(rows as u64))
}

fn begin(writer: &Writer, turn: &BeginTurn, boot: Uuid) -> Result<Option<Vec<u64>>, StoreError> {
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
    let rows = [
        Row { role: "user", content: Some(&turn.message), tool_call_id: None, status: MessageStatus::Complete },
        Row { role: "assistant", content: None, tool_call_id: None, status: MessageStatus::Pending },
    ];
    let places = writer.fetch(&insert(id, Some(owner), turn.at, &rows, boot), read_index)?;
    Ok((!places.is_empty()).then_some(places))
}

fn step(writer: &Writer, step: &Step, boot: Uuid) -> Result<Option<Vec<u64>>, StoreError> {
    for finished in &step.finished {
        if writer.execute(&finish(step.thread, finished))? == 0 {
            return Ok(None);
        }
    }
    if step.next.is_empty() {
        return Ok(Some(Vec::new()));
    }
    // Of two that add to a thread, one waits for the other.
    writer.execute(&hold(step.thread))?;
    let rows: Vec<_> = step.next.iter().map(Row::pending).collect();
    let mut places = writer.fetch(&insert(step.thread, None, step.at, &rows, boot), read_index)?;
    places.sort_unstable();
    Ok((!places.is_empty()).then_some(places))
}

/// A message to be added.
struct Row<'a> {
    role: &'a str,
    content: Option<&'a String>,
    tool_call_id: Option<&'a String>,
    status: MessageStatus,
}

impl<'a> Row<'a> {
    fn pending(pending: &'a Pending) -> Self {
        let (role, tool_call_id) = match pending {
            Pending::Assistant => ("assistant", None),
            Pending::Tool(id) => ("tool", Some(id)),
        };
        Self { role, content: None, tool_call_id, status: MessageStatus::Pending }
    }
}

fn read_index(cells: &mut Cells) -> Result<u64, String> {
    cells.number()
}

fn touch(id: Uuid, owner: Uuid, at: LogTime) -> Statement {
    let mut statement = Statement::new("UPDATE threads SET last_turn_at = ");
    statement.arg(at).sql(" WHERE id = ").arg(Value::text(id)).sql(" AND owner_id = ").arg(Value::text(owner));
    statement
}

fn hold(id: Uuid) -> Statement {
    let mut statement = Statement::new("UPDATE threads SET last_turn_at = last_turn_at WHERE id = ");
    statement.arg(Value::text(id));
    statement
}

/// Messages at the end of a thread, of this owner if one is named; none if it is not there.
fn insert(id: Uuid, owner: Option<Uuid>, at: LogTime, rows: &[Row<'_>], boot: Uuid) -> Statement {
    let mut statement = Statement::new(
        "INSERT INTO messages (thread_id, turn_index, role, content, tool_call_id, status, created_at, boot_id) ",
    );
    for (n, row) in rows.iter().enumerate() {
        statement.sql(if n == 0 { "" } else { " UNION ALL " });
        statement.sql("SELECT t.id, (SELECT COALESCE(MAX(turn_index) + 1, 0) FROM messages WHERE thread_id = t.id) + ");
        statement.sql(&n.to_string()).sql(", '").sql(row.role).sql("', ").arg(Value::Text(row.content.cloned()));
        statement.sql(", ").arg(Value::Text(row.tool_call_id.cloned()));
        statement
            .sql(", '")
            .sql(row.status.as_str())
            .sql("', COALESCE(")
            .arg(at)
            .sql(", t.created_at), ")
            .arg(Value::text(boot));
        statement.sql(" FROM threads AS t WHERE t.id = ").arg(Value::text(id));
        if let Some(owner) = owner {
            statement.sql(" AND t.owner_id = ").arg(Value::text(owner));
        }
    }
    statement.sql(" RETURNING turn_index");
    statement
}

fn finish(thread: Uuid, finished: &Finished) -> Statement {
    let status = if finished.failed { MessageStatus::Error } else { MessageStatus::Complete };
    let mut statement = Statement::new("UPDATE messages SET content = ");
    statement.arg(Value::Text(finished.content.clone())).sql(", tool_calls = ");
    statement.arg(Value::Text(finished.tool_calls.as_ref().map(|json| json.get().to_owned())));
    statement.sql(", status = ").arg(status.as_str()).sql(" WHERE thread_id = ").arg(Value::text(thread));
    statement.sql(" AND turn_index = ").arg(finished.turn_index).sql(" AND status = 'pending'");
    statement
}

fn delete(id: Uuid, owner: Option<Uuid>) -> Statement {
    let mut statement = Statement::new("DELETE FROM threads WHERE id = ");
    statement.arg(Value::text(id));
    if let Some(owner) = owner {
        statement.sql(" AND owner_id = ").arg(Value::text(owner));
    }
    statement
}
