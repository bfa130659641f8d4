//! Waiting for what somebody else writes to the tables.

use super::{Database, Tables, postgres::Listener};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often is looked where nobody tells.
const LOOK: Duration = Duration::from_millis(50);
/// Pause before the next try to be told.
const RETRY: Duration = Duration::from_secs(1);

/// The moves of the checkpoint of some tables.
#[derive(Debug)]
pub struct Moves {
    database: Database,
    listener: Option<Listener>,
}

impl Tables {
    /// To wait for the checkpoint to move.
    pub fn moves(&self) -> Moves {
        Moves { database: self.database().clone(), listener: None }
    }
}

impl Moves {
    /// Returns once the checkpoint may have moved, after `most` at the latest. The first time it returns at once.
    pub async fn next(&mut self, most: Duration) {
        let Database::Postgres(server) = &self.database else { return sleep(LOOK.min(most)).await };
        self.listener = self.listener.take().filter(|listener| !listener.is_closed());
        if let Some(listener) = &self.listener {
            let _ = timeout(most, listener.moved()).await;
            return;
        }
        match Listener::open(server).await {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => {
                tracing::debug!(error, "moves of the read tables are not told");
                sleep(RETRY.min(most)).await;
            }
        }
    }
}
