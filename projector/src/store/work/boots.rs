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

/// Which servers are gone.
#[derive(Debug, Clone, Copy)]
pub enum Gone<'a> {
    /// All but this one.
    Others,
    /// These.
    These(&'a [Uuid]),
}

impl WorkStore {
    /// This server is there.
    pub async fn beat(&self, at: LogTime) -> Result<(), StoreError> {
        let mut statement = Statement::new("INSERT INTO boots (boot_id, node, seen_at) VALUES ");
        statement.tuple([Value::text(self.boot.id), self.boot.node.as_str().into(), at.into()]);
        statement.sql(" ON CONFLICT (boot_id) DO UPDATE SET seen_at = excluded.seen_at");
        self.change(Task::Plain(statement)).await.map(drop)
    }

    /// The servers that others have to reckon with, and when each last said that it is there, by its own clock.
    pub async fn boots(&self) -> Result<Vec<(Uuid, LogTime)>, StoreError> {
        self.read(Statement::new("SELECT boot_id, seen_at FROM boots"), read_boot).await
    }

    /// Ends what servers left behind that are gone: these, or all but this one. Their turns have failed, their tasks wait
    /// again. How many turns and tasks there were.
    pub async fn end_lost(&self, gone: Gone<'_>) -> Result<u64, StoreError> {
        if let Some(forget) = self.forget(gone) {
            self.change(Task::Plain(forget)).await?;
        }
        let turns = self.of_lost("UPDATE messages SET status = 'error' WHERE status = 'pending'");
        let tasks = "UPDATE inference_tasks SET status = 'pending' WHERE status IN ('claimed', 'running')";
        let ended = self.change(Task::Plain(turns)).await?;
        Ok(ended + self.change(Task::Plain(self.of_lost(tasks))).await?)
    }

    fn forget(&self, gone: Gone) -> Option<Statement> {
        let mut statement = Statement::new("DELETE FROM boots WHERE boot_id <> ");
        statement.arg(Value::text(self.boot.id));
        if let Gone::These(boots) = gone {
            let (first, others) = boots.split_first()?;
            statement.sql(" AND boot_id IN (").arg(Value::text(first));
            for boot in others {
                statement.sql(", ").arg(Value::text(boot));
            }
            statement.sql(")");
        }
        Some(statement)
    }

    /// What is this server's own is not lost, nor what is that of another one that is there.
    fn of_lost(&self, what: &str) -> Statement {
        let mut statement = Statement::new(what);
        statement.sql(" AND COALESCE(boot_id, '') <> ").arg(Value::text(self.boot.id));
        statement.sql(" AND COALESCE(boot_id, '') NOT IN (SELECT boot_id FROM boots)");
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

fn read_boot(cells: &mut Cells) -> Result<(Uuid, LogTime), String> {
    Ok((cells.parse()?, cells.parse()?))
}

fn read_node(cells: &mut Cells) -> Result<String, String> {
    Ok(cells.text()?.to_owned())
}
