//! The work store: chat threads and their messages, and inference tasks. It is no fold, so each commit is synced; commits that come at the
//! same time share one.

mod boots;
mod copy;
mod inference;
mod rows;
mod task;
mod uses;

pub use boots::{Boot, Gone};
pub use copy::copy;
pub use inference::{Asks, InferenceTask, NewTask, StoredAnswer, StoredError, TaskStatus};
pub use rows::{Message, MessageStatus, NewThread, Thread};
pub use task::{BeginTurn, Finished, Pending, Step, Turn, TurnThread};

use super::{
    Database, StoreError,
    database::{Readers, Writer},
    postgres,
    sqlite::{self, Access, Durability},
};
use crate::blocking::blocking;
use mcpctl_events::{log::sqlite::copy as copy_file, time::LogTime};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use task::{Answer, Task};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

const FILE: &str = "work.db";
/// Changes that wait for the writer.
const QUEUE: usize = 1024;
/// Changes in one commit.
const GROUP: usize = 256;

type Reply = oneshot::Sender<Result<Answer, StoreError>>;

/// Threads, messages and tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkStore {
    /// Who is at work here.
    boot: Arc<Boot>,
    readers: Arc<Readers>,
    queue: mpsc::Sender<(Task, Reply)>,
}

/// Writes what the clones of a [`WorkStore`] ask for. Somebody has to [`run`](Self::run) it.
#[derive(Debug)]
pub struct WorkWriter {
    writer: Arc<Mutex<Writer>>,
    queue: mpsc::Receiver<(Task, Reply)>,
}

fn open_database(database: &Database) -> Result<(Writer, Readers), StoreError> {
    match database {
        Database::Folder(dir) => open_file(dir),
        Database::Postgres(server) => postgres::work::open(server),
    }
}

fn open_file(dir: &Path) -> Result<(Writer, Readers), StoreError> {
    std::fs::create_dir_all(dir).map_err(|source| StoreError::File { file: dir.to_owned(), source })?;
    let file = dir.join(FILE);
    let conn = sqlite::connect(&file, Durability::Truth, Access::Create)?;
    sqlite::migrate(&conn, &file, mcpctl_migrations::sqlite::WORK)?;
    Ok((Writer::Sqlite(sqlite::Writer::new(&file, conn)), Readers::of_file(&file, Durability::Truth)?))
}

/// Copies the store in `dir` into another folder.
pub(super) fn back_up(dir: &Path, to: &Path) -> Result<(), StoreError> {
    Ok(copy_file(&dir.join(FILE), &to.join(FILE))?)
}

impl WorkStore {
    /// Opens the store of a database, or makes it, and brings it to the newest schema: `work.db` in a folder, the schema
    /// `work` in Postgres.
    pub async fn open(database: impl Into<Database>, boot: Boot) -> Result<(Self, WorkWriter), StoreError> {
        let database = database.into();
        blocking(move || Self::open_blocking(&database, boot)).await
    }

    fn open_blocking(database: &Database, boot: Boot) -> Result<(Self, WorkWriter), StoreError> {
        let (writer, readers) = open_database(database)?;
        let (queue, asked) = mpsc::channel(QUEUE);
        let writer = WorkWriter { writer: Arc::new(Mutex::new(writer)), queue: asked };
        Ok((Self { boot: Arc::new(boot), readers: Arc::new(readers), queue }, writer))
    }

    /// Begins a thread without a turn.
    pub async fn create_thread(&self, thread: NewThread, at: LogTime) -> Result<(), StoreError> {
        self.ask(Task::Create(thread, at)).await.map(drop)
    }

    /// Stores the user's message as complete and an assistant's message as pending, and, if asked to, the thread that
    /// they begin: all or nothing. `None` if there is no such thread of this owner.
    pub async fn begin_turn(&self, turn: BeginTurn) -> Result<Option<Turn>, StoreError> {
        match self.ask(Task::Begin(turn, self.boot.id)).await? {
            Answer::Placed(Some(places)) => Ok(Turn::of(&places)),
            Answer::Placed(None) | Answer::Changed(_) => Ok(None),
        }
    }

    /// Takes a turn one step further: completes pending messages, or marks them as failed, and adds those that follow.
    /// Where those stand in the thread; `None` if one was not pending any more, and then nothing follows.
    pub async fn step(&self, step: Step) -> Result<Option<Vec<u64>>, StoreError> {
        match self.ask(Task::Step(step, self.boot.id)).await? {
            Answer::Placed(places) => Ok(places),
            Answer::Changed(_) => Ok(None),
        }
    }

    /// Deletes a thread with its messages, of this owner or, without one, of anybody; whether it was there.
    pub async fn delete_thread(&self, id: Uuid, owner: Option<Uuid>) -> Result<bool, StoreError> {
        self.change(Task::Delete(id, owner)).await.map(|changed| changed > 0)
    }

    async fn change(&self, task: Task) -> Result<u64, StoreError> {
        match self.ask(task).await? {
            Answer::Changed(rows) => Ok(rows),
            Answer::Placed(_) => Ok(0),
        }
    }

    async fn ask(&self, task: Task) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send((task, reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl WorkWriter {
    /// Writes until the last [`WorkStore`] is dropped.
    pub async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = self.queue.try_recv()
            {
                group.push(next);
            }
            let (tasks, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let writer = self.writer.clone();
            let answers = blocking(move || commit_all(&writer, &tasks)).await;
            for (reply, answer) in replies.into_iter().zip(answers) {
                // Whoever asked may be gone.
                let _ = reply.send(answer);
            }
        }
    }
}

/// One commit for all; if one of them cannot be done, one for each, so that nobody fails for somebody else's sake. Where it
/// is unknown what became of a commit, nothing of it is done again.
fn commit_all(writer: &Mutex<Writer>, tasks: &[Task]) -> Vec<Result<Answer, StoreError>> {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut is_begun, mut is_done) = (false, false);
    let committed = writer.transact(|writer| {
        is_begun = true;
        let answers = tasks.iter().map(|task| task.run(writer)).collect::<Result<Vec<_>, _>>()?;
        is_done = true;
        Ok(answers)
    });
    match committed {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(_) if is_done && writer.may_have_committed() => {
            tasks.iter().map(|_| Err(StoreError::OutcomeUnknown)).collect()
        }
        // It is nobody's task that is at fault, and to try each would take each the time that this one took.
        Err(error) if !is_begun || writer.may_have_committed() => tasks.iter().map(|_| Err(error.repeated())).collect(),
        Err(_) => tasks.iter().map(|task| writer.transact(|writer| task.run(writer))).collect(),
    }
}
