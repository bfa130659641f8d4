//! Threads and messages, read.

use super::WorkStore;
use crate::{
    blocking::blocking,
    store::{
        StoreError,
        database::Cells,
        statement::{Statement, Value},
    },
};
use mcpctl_events::{json::Json, time::LogTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A thread that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewThread {
    /// UUIDv7.
    pub id: Uuid,
    /// The only user who sees it.
    pub owner: Uuid,
    /// The agent's id.
    pub agent: Uuid,
    /// For people.
    pub title: String,
}

/// A conversation of one user with one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// UUIDv7.
    pub id: Uuid,
    /// The only user who sees it.
    pub owner: Uuid,
    /// The agent's id.
    pub agent: Uuid,
    /// For people.
    pub title: String,
    /// When it began.
    pub created_at: LogTime,
    /// When its last turn began; before the first turn, when it began itself.
    pub last_turn_at: LogTime,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Its turn goes on.
    Pending,
    /// All of it is there.
    Complete,
    /// Its turn failed.
    Error,
}

impl MessageStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Complete => "complete",
            Self::Error => "error",
        }
    }
}

/// One message of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Position in the thread, from 0.
    pub turn_index: u64,
    /// `user`, `assistant` or `tool`.
    pub role: String,
    /// Its text; none while pending.
    pub content: Option<String>,
    /// Tool calls as the model made them.
    pub tool_calls: Option<Json>,
    /// Of a tool: the call that it answers.
    pub tool_call_id: Option<String>,
    /// How far it is.
    pub status: MessageStatus,
    /// When it was made.
    pub created_at: LogTime,
}

const THREADS: &str = "SELECT id, owner_id, agent_id, title, created_at, last_turn_at FROM threads WHERE owner_id = ";
const MESSAGES: &str =
    "SELECT turn_index, role, content, tool_calls, tool_call_id, status, created_at FROM messages WHERE thread_id = ";

impl WorkStore {
    /// A user's threads with an agent, the one with the newest turn first.
    pub async fn threads(&self, agent: Uuid, owner: Uuid) -> Result<Vec<Thread>, StoreError> {
        let mut statement = Statement::new(THREADS);
        statement.arg(Value::text(owner)).sql(" AND agent_id = ").arg(Value::text(agent));
        statement.sql(" ORDER BY last_turn_at DESC, id DESC");
        self.read(statement, read_thread).await
    }

    /// The thread of this id, if it belongs to this user.
    pub async fn thread(&self, id: Uuid, owner: Uuid) -> Result<Option<Thread>, StoreError> {
        let mut statement = Statement::new(THREADS);
        statement.arg(Value::text(owner)).sql(" AND id = ").arg(Value::text(id));
        Ok(self.read(statement, read_thread).await?.pop())
    }

    /// All messages of a thread, in order. Whose thread it is, is not asked here.
    pub async fn messages(&self, thread: Uuid) -> Result<Vec<Message>, StoreError> {
        let mut statement = Statement::new(MESSAGES);
        statement.arg(Value::text(thread)).sql(" ORDER BY turn_index");
        self.read(statement, read_message).await
    }

    /// The messages that a model is to hear, in order: the complete ones, up to and with the one at `through`.
    pub async fn messages_for_model(&self, thread: Uuid, through: u64) -> Result<Vec<Message>, StoreError> {
        let mut statement = Statement::new(MESSAGES);
        statement.arg(Value::text(thread)).sql(" AND turn_index <= ").arg(through);
        statement.sql(" AND status = 'complete' ORDER BY turn_index");
        self.read(statement, read_message).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        statement: Statement,
        read: fn(&mut Cells) -> Result<T, String>,
    ) -> Result<Vec<T>, StoreError> {
        let readers = self.readers.clone();
        blocking(move || readers.fetch(&statement, read)).await
    }
}

pub(super) fn insert(thread: &NewThread, at: LogTime) -> Statement {
    let mut statement =
        Statement::new("INSERT INTO threads (id, owner_id, agent_id, title, created_at, last_turn_at) VALUES ");
    let ids = [thread.id, thread.owner, thread.agent].map(Value::text);
    statement.tuple(ids.into_iter().chain([thread.title.as_str().into(), at.into(), at.into()]));
    statement
}

fn read_thread(cells: &mut Cells) -> Result<Thread, String> {
    Ok(Thread {
        id: cells.parse()?,
        owner: cells.parse()?,
        agent: cells.parse()?,
        title: cells.text()?.to_owned(),
        created_at: cells.parse()?,
        last_turn_at: cells.parse()?,
    })
}

fn read_message(cells: &mut Cells) -> Result<Message, String> {
    Ok(Message {
        turn_index: cells.number()?,
        role: cells.text()?.to_owned(),
        content: cells.text_or_null()?.map(str::to_owned),
        tool_calls: cells.json_or_null()?,
        tool_call_id: cells.text_or_null()?.map(str::to_owned),
        status: cells.word()?,
        created_at: cells.parse()?,
    })
}
