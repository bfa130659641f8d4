//! Which servers are at work on what is pending, and the end of what one of them left behind.

use super::{WorkStore, task::Task};
use crate::store::{
    StoreError,
    database::Cells,
    statement::{Statement, Value},
};
use mcpctl_events::time::LogTime;
use uuid::Uuid;

/// A start of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Its id.
    pub id: Uuid,
    /// Under which URL others reach it.
    pub node: String,
}

impl WorkStore {
    /// This server is there.
    pub async fn beat(&self, at: LogTime) -> Result<(), StoreError> {
        let mut statement = Statement::new("INSERT INTO boots (boot_id, node, seen_at) VALUES ");
        statement.tuple([Value::text(self.boot.id), self.boot.node.as_str().into(), at.into()]);
        statement.sql(" ON CONFLICT (boot_id) DO UPDATE SET seen_at = excluded.seen_at");
        self.change(Task::Plain(statement)).await.map(drop)
    }

    /// Ends what servers left behind that were not seen since: their turns have failed, their tasks wait again. Without a
    /// time, none is there but this one. How many turns and tasks there were.
    pub async fn end_lost(&self, seen_since: Option<LogTime>) -> Result<u64, StoreError> {
        let turns = self.of_lost("UPDATE messages SET status = 'error' WHERE status = 'pending'", seen_since);
        let mut ended = self.change(Task::Plain(turns)).await?;
        let tasks = "UPDATE inference_tasks SET status = 'pending' WHERE status IN ('claimed', 'running')";
        ended += self.change(Task::Plain(self.of_lost(tasks, seen_since))).await?;
        let mut gone = Statement::new("DELETE FROM boots WHERE boot_id <> ");
        gone.arg(Value::text(self.boot.id));
        if let Some(since) = seen_since {
            gone.sql(" AND seen_at < ").arg(since);
        }
        self.change(Task::Plain(gone)).await?;
        Ok(ended)
    }

    /// What is this server's own is not lost, nor what is that of another one which was seen.
    fn of_lost(&self, what: &str, seen_since: Option<LogTime>) -> Statement {
        let mut statement = Statement::new(what);
        statement.sql(" AND COALESCE(boot_id, '') <> ").arg(Value::text(self.boot.id));
        if let Some(since) = seen_since {
            statement.sql(" AND COALESCE(boot_id, '') NOT IN (SELECT boot_id FROM boots WHERE seen_at >= ");
            statement.arg(since).sql(")");
        }
        statement
    }

    /// The URL of another server that is at work on a task, if one is.
    pub async fn task_is_at(&self, task: Uuid) -> Result<Option<String>, StoreError> {
        let mut statement = Statement::new(
            "SELECT b.node FROM inference_tasks AS t JOIN boots AS b ON b.boot_id = t.boot_id \
             WHERE t.status IN ('claimed', 'running') AND t.id = ",
        );
        statement.arg(Value::text(task)).sql(" AND b.boot_id <> ").arg(Value::text(self.boot.id));
        Ok(self.read(statement, read_node).await?.pop())
    }
}

fn read_node(cells: &mut Cells) -> Result<String, String> {
    Ok(cells.text()?.to_owned())
}
