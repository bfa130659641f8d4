//! When tokens were last used.

use super::{WorkStore, task::Task};
use crate::store::{
    StoreError,
    database::Cells,
    statement::{Statement, Value},
};
use mcpctl_events::time::LogTime;
use uuid::Uuid;

/// Rows in one statement, well below what a database takes.
const ROWS: usize = 500;

impl WorkStore {
    /// The last use of each token, by its id.
    pub async fn token_uses(&self) -> Result<Vec<(Uuid, LogTime)>, StoreError> {
        self.read(Statement::new("SELECT token_id, used_at FROM token_uses"), read_use).await
    }

    /// Notes last uses, none of them backwards, and forgets the tokens that are gone.
    pub async fn save_token_uses(&self, uses: &[(Uuid, LogTime)], gone: &[Uuid]) -> Result<(), StoreError> {
        for uses in uses.chunks(ROWS) {
            let mut statement = Statement::new("INSERT INTO token_uses (token_id, used_at) VALUES ");
            for (index, (id, at)) in uses.iter().enumerate() {
                if index > 0 {
                    statement.sql(", ");
                }
                statement.tuple([Value::text(*id), (*at).into()]);
            }
            statement.sql(
                " ON CONFLICT (token_id) DO UPDATE SET used_at = excluded.used_at WHERE excluded.used_at > token_uses.used_at",
            );
            self.change(Task::Plain(statement)).await?;
        }
        for gone in gone.chunks(ROWS) {
            let mut statement = Statement::new("DELETE FROM token_uses WHERE token_id IN ");
            statement.tuple(gone.iter().map(|id| Value::text(*id)));
            self.change(Task::Plain(statement)).await?;
        }
        Ok(())
    }
}

fn read_use(cells: &mut Cells) -> Result<(Uuid, LogTime), String> {
    Ok((cells.parse()?, cells.parse()?))
}
