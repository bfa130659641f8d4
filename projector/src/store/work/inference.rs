//! Inference tasks: calls that are stored first and answered later.
//!
//! Every change names the status that it changes, so of two that come at the same time one does nothing: a task that was
//! cancelled is not completed, and one that was put back is claimed by one only.

use super::{WorkStore, task::Task};
use crate::store::{
    StoreError,
    database::Cells,
    statement::{Statement, Value},
};
use mcpctl_events::time::LogTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// It waits for a publisher.
    Pending,
    /// A place is looked for.
    Claimed,
    /// It was sent to a model.
    Running,
    /// Its answer is there.
    Completed,
    /// It has none, and will have none.
    Error,
    /// Its owner wants none.
    Cancelled,
}

impl TaskStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Error | Self::Cancelled)
    }
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asks {
    /// The Llm of this name.
    Llm(String),
    /// The pool of this name.
    Pool(String),
}

/// A task that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// UUIDv7.
    pub id: Uuid,
    /// The only user who sees it.
    pub owner: Uuid,
    /// Who is asked.
    pub asks: Asks,
    /// Path at the model server.
    pub path: String,
    /// The request as it came.
    pub request: String,
    /// The client's key, and the hash of what it asks with it.
    pub key: Option<(String, String)>,
    /// When.
    pub at: LogTime,
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Its status.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// All of it; of a stream, its events.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredError {
    /// A sentence.
    pub error: String,
    /// A stable word.
    pub code: String,
}

/// A task as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferenceTask {
    /// What was asked.
    pub asked: NewTask,
    /// How far it is.
    pub status: TaskStatus,
    /// How often it was begun.
    pub attempts: u64,
    /// Name of the Llm that it was sent to last.
    pub answered_by: Option<String>,
    /// Its answer.
    pub answer: Option<StoredAnswer>,
    /// Why it has none.
    pub error: Option<StoredError>,
    /// When it was begun last.
    pub claimed_at: Option<LogTime>,
    /// When it came to its end.
    pub finished_at: Option<LogTime>,
}

const TASKS: &str = "SELECT id, owner_id, llm, pool, path, request, created_at, status, attempts, answered_by, \
    answer_status, content_type, answer, error, code, claimed_at, finished_at FROM inference_tasks WHERE ";
/// The same without what may be large.
const HEADS: &str = "SELECT id, owner_id, llm, pool, path, '', created_at, status, attempts, answered_by, \
    NULL, NULL, NULL, error, code, claimed_at, finished_at FROM inference_tasks WHERE ";
const UNDER_WAY: &str = " AND status IN ('claimed', 'running')";

impl WorkStore {
    /// Stores a task; false if there is one of this key, or if its owner has `most.0` open ones already, or some that ask
    /// with `most.1` bytes.
    pub async fn create_task(&self, task: &NewTask, most: (u64, u64)) -> Result<bool, StoreError> {
        let (llm, pool) = match &task.asks {
            Asks::Llm(name) => (Some(name), None),
            Asks::Pool(name) => (None, Some(name)),
        };
        let mut statement = Statement::new(
            "INSERT INTO inference_tasks (id, owner_id, llm, pool, path, request, status, attempts, created_at, \
             idempotency_key, request_hash) SELECT ",
        );
        let (key, hash) = task.key.clone().unzip();
        let values = [
            Value::text(task.id),
            Value::text(task.owner),
            Value::text_or_null(llm),
            Value::text_or_null(pool),
            task.path.as_str().into(),
            task.request.as_str().into(),
            TaskStatus::Pending.as_str().into(),
            0_u64.into(),
            task.at.into(),
            Value::Text(key),
            Value::Text(hash),
        ];
        for (n, value) in values.into_iter().enumerate() {
            statement.sql(if n == 0 { "" } else { "," }).arg(value);
        }
        // Counted in the same statement: of many that come at once none is too many.
        let open =
            |what: &str| format!("(SELECT {what} FROM inference_tasks WHERE finished_at IS NULL AND owner_id = ");
        statement.sql(" WHERE ").sql(&open("count(*)")).arg(Value::text(task.owner)).sql(") < ").arg(most.0);
        statement.sql(" AND ").sql(&open("COALESCE(sum(length(request)), 0)")).arg(Value::text(task.owner));
        statement.sql(") < ").arg(most.1);
        statement.sql(" ON CONFLICT (owner_id, idempotency_key) DO NOTHING");
        self.change(Task::Plain(statement)).await.map(|stored| stored > 0)
    }

    /// The task of this id, if it belongs to this user; without one, whoever it belongs to.
    pub async fn task(&self, id: Uuid, owner: Option<Uuid>) -> Result<Option<InferenceTask>, StoreError> {
        let mut statement = Statement::new(TASKS);
        statement.sql("id = ").arg(Value::text(id));
        if let Some(owner) = owner {
            statement.sql(" AND owner_id = ").arg(Value::text(owner));
        }
        Ok(self.read(statement, read_task).await?.pop())
    }

    /// A user's tasks, or everybody's, the newest first, without requests and answers.
    pub async fn tasks(&self, owner: Option<Uuid>, limit: u64) -> Result<Vec<InferenceTask>, StoreError> {
        let mut statement = Statement::new(HEADS);
        match owner {
            Some(owner) => statement.sql("owner_id = ").arg(Value::text(owner)),
            None => statement.sql("1 = 1"),
        };
        statement.sql(" ORDER BY id DESC LIMIT ").arg(limit);
        self.read(statement, read_task).await
    }

    /// How many of a user's tasks have not come to their end, and how many bytes they ask with.
    pub async fn open_tasks(&self, owner: Uuid) -> Result<(u64, u64), StoreError> {
        let mut statement =
            Statement::new("SELECT count(*), COALESCE(sum(length(request)), 0) FROM inference_tasks WHERE owner_id = ");
        statement.arg(Value::text(owner)).sql(" AND finished_at IS NULL");
        Ok(self.read(statement, read_counts).await?.pop().unwrap_or_default())
    }

    /// The task that a client's key stands for, and the hash of what was asked with it.
    pub async fn task_of_key(&self, owner: Uuid, key: &str) -> Result<Option<(Uuid, String)>, StoreError> {
        let mut statement = Statement::new("SELECT id, request_hash FROM inference_tasks WHERE owner_id = ");
        statement.arg(Value::text(owner)).sql(" AND idempotency_key = ").arg(key);
        Ok(self.read(statement, read_key).await?.pop())
    }

    /// Tasks that wait, the oldest first, from after this one on; without their requests.
    pub async fn pending_tasks(&self, after: Uuid, limit: u64) -> Result<Vec<InferenceTask>, StoreError> {
        let mut statement = Statement::new(HEADS);
        statement.sql("status = 'pending' AND id > ").arg(Value::text(after)).sql(" ORDER BY id LIMIT ").arg(limit);
        self.read(statement, read_task).await
    }

    /// Takes a pending task; none if it is no longer pending.
    pub async fn claim_task(&self, id: Uuid, at: LogTime) -> Result<Option<InferenceTask>, StoreError> {
        let mut statement = Statement::new("UPDATE inference_tasks SET status = 'claimed', attempts = attempts + 1");
        statement
            .sql(", boot_id = ")
            .arg(Value::text(self.boot.id))
            .sql(", claimed_at = ")
            .arg(at)
            .sql(" WHERE id = ")
            .arg(Value::text(id))
            .sql(" AND status = 'pending'");
        if self.change(Task::Plain(statement)).await? == 0 {
            return Ok(None);
        }
        let mut statement = Statement::new(TASKS);
        statement.sql("id = ").arg(Value::text(id));
        Ok(self.read(statement, read_task).await?.pop())
    }

    /// A claimed task was sent to this model.
    pub async fn task_runs(&self, id: Uuid, llm: &str) -> Result<(), StoreError> {
        let mut statement = Statement::new("UPDATE inference_tasks SET status = 'running', answered_by = ");
        statement.arg(llm).sql(" WHERE id = ").arg(Value::text(id));
        statement.sql(" AND boot_id = ").arg(Value::text(self.boot.id)).sql(UNDER_WAY);
        self.change(Task::Plain(statement)).await.map(drop)
    }

    /// Puts a task back that was begun here.
    pub async fn put_task_back(&self, id: Uuid) -> Result<u64, StoreError> {
        let mut statement = Statement::new("UPDATE inference_tasks SET status = 'pending' WHERE id = ");
        statement.arg(Value::text(id)).sql(" AND boot_id = ").arg(Value::text(self.boot.id)).sql(UNDER_WAY);
        self.change(Task::Plain(statement)).await
    }

    /// The tasks that were begun here and did not come to their end.
    pub async fn tasks_under_way(&self) -> Result<Vec<Uuid>, StoreError> {
        let mut statement = Statement::new("SELECT id FROM inference_tasks WHERE finished_at IS NULL AND boot_id = ");
        statement.arg(Value::text(self.boot.id)).sql(UNDER_WAY);
        self.read(statement, read_id).await
    }

    /// Ends a task that was begun.
    pub async fn finish_task(
        &self,
        id: Uuid,
        outcome: Result<StoredAnswer, StoredError>,
        answered_by: Option<String>,
        at: LogTime,
    ) -> Result<(), StoreError> {
        let mut statement = Statement::new("UPDATE inference_tasks SET finished_at = ");
        statement.arg(at).sql(", answered_by = ").arg(Value::Text(answered_by));
        match outcome {
            Ok(answer) => {
                statement.sql(", status = 'completed', answer_status = ").arg(u64::from(answer.status));
                statement.sql(", content_type = ").arg(answer.content_type).sql(", answer = ").arg(answer.text);
            }
            Err(error) => {
                statement.sql(", status = 'error', error = ").arg(error.error).sql(", code = ").arg(error.code);
            }
        }
        statement.sql(" WHERE id = ").arg(Value::text(id)).sql(" AND boot_id = ").arg(Value::text(self.boot.id));
        statement.sql(UNDER_WAY);
        self.change(Task::Plain(statement)).await.map(drop)
    }

    /// Ends a task that nobody wants; whether it had not come to its end.
    pub async fn cancel_task(&self, id: Uuid, at: LogTime) -> Result<bool, StoreError> {
        let mut statement = Statement::new("UPDATE inference_tasks SET status = 'cancelled', finished_at = ");
        statement.arg(at).sql(" WHERE id = ").arg(Value::text(id)).sql(" AND finished_at IS NULL");
        self.change(Task::Plain(statement)).await.map(|changed| changed > 0)
    }

    /// Ends the tasks that have waited since before `waited_since`, and forgets those that ended before `ended_before`.
    pub async fn sweep_tasks(
        &self,
        waited_since: LogTime,
        ended_before: LogTime,
        error: StoredError,
        at: LogTime,
    ) -> Result<(), StoreError> {
        let mut statement = Statement::new("UPDATE inference_tasks SET status = 'error', finished_at = ");
        statement.arg(at).sql(", error = ").arg(error.error).sql(", code = ").arg(error.code);
        statement.sql(" WHERE status = 'pending' AND created_at < ").arg(waited_since);
        self.change(Task::Plain(statement)).await?;
        let mut statement = Statement::new("DELETE FROM inference_tasks WHERE finished_at < ");
        statement.arg(ended_before);
        self.change(Task::Plain(statement)).await.map(drop)
    }
}

fn read_id(cells: &mut Cells) -> Result<Uuid, String> {
    cells.parse()
}

fn read_counts(cells: &mut Cells) -> Result<(u64, u64), String> {
    Ok((cells.number()?, cells.number()?))
}

fn read_key(cells: &mut Cells) -> Result<(Uuid, String), String> {
    Ok((cells.parse()?, cells.text()?.to_owned()))
}

fn read_task(cells: &mut Cells) -> Result<InferenceTask, String> {
    let (id, owner) = (cells.parse()?, cells.parse()?);
    let (llm, pool) = (cells.text_or_null()?.map(str::to_owned), cells.text_or_null()?.map(str::to_owned));
    let asks = llm.map(Asks::Llm).or(pool.map(Asks::Pool)).ok_or("a task asks nobody")?;
    let (path, request, at) = (cells.text()?.to_owned(), cells.text()?.to_owned(), cells.parse()?);
    let (status, attempts, answered_by) = (cells.word()?, cells.number()?, cells.text_or_null()?.map(str::to_owned));
    let (answer_status, content_type, text) = (cells.number_or_null()?, cells.text_or_null()?, cells.text_or_null()?);
    let answer = answer_status.zip(content_type).zip(text).map(|((status, content_type), text)| StoredAnswer {
        status,
        content_type: content_type.to_owned(),
        text: text.to_owned(),
    });
    let (error, code) = (cells.text_or_null()?, cells.text_or_null()?);
    let error = error.zip(code).map(|(error, code)| StoredError { error: error.to_owned(), code: code.to_owned() });
    Ok(InferenceTask {
        asked: NewTask { id, owner, asks, path, request, key: None, at },
        status,
        attempts,
        answered_by,
        answer,
        error,
        claimed_at: cells.parse_or_null()?,
        finished_at: cells.parse_or_null()?,
    })
}
