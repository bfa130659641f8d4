//! The read tables, and the only place that knows SQL.
//!
//! A statement is written once for every database; what differs between databases is in a file of that database's own.

mod agents;
mod bindings;
mod cells;
mod checkpoint;
mod database;
mod documents;
mod events;
mod generation;
mod llms;
mod moves;
mod pool;
mod postgres;
mod rows;
mod sessions;
mod sqlite;
mod statement;
mod tokens;
mod verifier;
pub mod work;

pub use agents::AgentFilter;
pub use database::{BadDatabase, Database};
pub use documents::DocumentFilter;
pub use events::{EventFilter, EventRef, type_pattern};
pub use llms::LlmFilter;
pub use moves::Moves;
pub use postgres::Server;
pub use rows::{At, Page, RowFilter, StoredAgent, StoredLlm, StoredRow};

pub(crate) use generation::Rebuilding;
pub(crate) use verifier::Verifier;

use crate::{Batch, Checkpoint, blocking::blocking};
use database::{Cells, Writer};
use generation::{Generation, Home};
use mcpctl_events::{log::sqlite::CopyError, name::SessionId, time::LogTime};
use statement::{Script, Statement};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

/// Why the read tables, or the work store, could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("{} cannot be used: {source}", file.display())]
    Sql {
        /// Its file.
        file: PathBuf,
        /// Whether it may pass by itself.
        transient: bool,
        /// The database's words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file could not be read or written.
    #[error("{} cannot be used: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No room.
    #[error("the disk that holds {} is full", file.display())]
    DiskFull {
        /// The file that did not fit.
        file: PathBuf,
    },
    /// What these events change cannot be written, now or later.
    #[error("events {first} to {last} cannot be written to the read tables ({source}): run `mcpd-projector rebuild`")]
    Refused {
        /// Sequence of the first one.
        first: u64,
        /// Sequence of the last one.
        last: u64,
        /// The database's words.
        source: Box<Self>,
    },
    /// Somebody else moved the checkpoint; nothing was written.
    #[error("another projector moved the checkpoint of the read tables away from sequence {expected}")]
    CheckpointMoved {
        /// Where it should have been.
        expected: u64,
    },
    /// The tables were written by a newer version.
    #[error("{} was written by a newer version (version {found}, known is {known}): run that version, or point --db at a fresh place", file.display())]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: u32,
    },
    /// The tables are of an older version, and may not be replaced here.
    #[error("{} was written by an older version (projection {found}, known is {known}): run `mcpd-projector rebuild`", file.display())]
    OlderVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: u32,
    },
    /// There are no tables where some are needed.
    #[error("there are no read tables in {}: start mcpd or mcpd-projector, which make them", dir.display())]
    NoTables {
        /// The folder.
        dir: PathBuf,
    },
    /// A value is not what was written.
    #[error("{} holds a damaged row ({reason}): rebuild read tables with `mcpd-projector rebuild`, restore work.db from a backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another rebuild was finished first.
    #[error("another rebuild of the read tables in {} was finished first", dir.display())]
    Overtaken {
        /// The folder.
        dir: PathBuf,
    },
    /// A file could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The connection was lost within a commit.
    #[error("it is unknown whether it was stored: the connection to the database was lost")]
    OutcomeUnknown,
    /// The writer's task has ended.
    #[error("nothing was stored: the server is shutting down")]
    Closed,
}

impl StoreError {
    /// Whether the same call may work later, as it is.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Sql { transient, .. } => *transient,
            Self::File { .. } | Self::DiskFull { .. } => true,
            _ => false,
        }
    }

    /// The same, for one more whom it concerns.
    fn repeated(&self) -> Self {
        match self {
            Self::DiskFull { file } => Self::DiskFull { file: file.clone() },
            Self::Sql { file, transient, source } => {
                Self::Sql { file: file.clone(), transient: *transient, source: source.to_string().into() }
            }
            other => {
                Self::Sql { file: PathBuf::new(), transient: other.is_retryable(), source: other.to_string().into() }
            }
        }
    }
}

/// The read tables of a database. Cheap to clone; every clone sees a rebuild at once.
///
/// What is `async` runs on a thread for blocking work; what ends in `_blocking` runs where it is called, for callers that
/// have such a thread.
#[derive(Debug, Clone)]
pub struct Tables {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    home: Home,
    live: RwLock<Arc<Generation>>,
    /// Stays with its generation whatever becomes of it: one that is being filled.
    is_pinned: bool,
    /// Held while another generation is being opened.
    switching: Mutex<()>,
}

/// Copies the live read tables in `dir`, and the work store, into another folder that has none, each as it is at one
/// moment, while servers go on. Blocks.
pub fn back_up(dir: &Path, to: &Path) -> Result<(), StoreError> {
    generation::copy_live(dir, to)?;
    work::back_up(dir, to)
}

impl Tables {
    /// Opens the live generation of a database. Makes an empty one if there is none, or if it is of an older version:
    /// then the log has to be projected from its start.
    pub async fn open(database: impl Into<Database>) -> Result<Self, StoreError> {
        let database = database.into();
        blocking(move || Self::open_blocking(&database)).await
    }

    /// See [`open`](Self::open).
    pub fn open_blocking(database: impl Into<Database>) -> Result<Self, StoreError> {
        let database = database.into();
        let generation = Generation::open_or_create(&Home::of(&database))?;
        Ok(Self::from(&database, generation, false))
    }

    /// Opens the live generation of a database, which must be there and of this version.
    pub async fn open_existing(database: impl Into<Database>) -> Result<Self, StoreError> {
        let database = database.into();
        blocking(move || Ok(Self::from(&database, Generation::open_live(&Home::of(&database))?, false))).await
    }

    fn from(database: &Database, generation: Generation, is_pinned: bool) -> Self {
        let (database, home, live) = (database.clone(), Home::of(database), RwLock::new(Arc::new(generation)));
        Self { inner: Arc::new(Inner { database, home, live, is_pinned, switching: Mutex::default() }) }
    }

    /// Where they are.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    fn home(&self) -> &Home {
        &self.inner.home
    }

    /// A generation is replaced whole, so a poisoned lock is as good as any.
    fn live(&self) -> Arc<Generation> {
        self.inner.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The generation that is read and written.
    pub fn generation(&self) -> u64 {
        self.live().number()
    }

    /// Turns to the generation that a rebuild has made, in this process or another, if there is one; the one that is live
    /// then. Happens by itself when a read or a write finds that the generation was superseded.
    pub async fn refresh(&self) -> Result<u64, StoreError> {
        self.on_thread(|tables| tables.turn_from(&tables.live()).map(|_| tables.generation())).await
    }

    /// Turns to the generation that took over from this one, unless another thread has done so meanwhile; false if none
    /// has taken over.
    fn turn_from(&self, left: &Generation) -> Result<bool, StoreError> {
        if self.inner.is_pinned {
            return Ok(false);
        }
        let _switching = self.inner.switching.lock().unwrap_or_else(PoisonError::into_inner);
        if self.home().live_number()? != Some(self.live().number()) {
            let generation = Arc::new(Generation::open_live(self.home())?);
            tracing::info!(generation = generation.number(), "turned to rebuilt read tables");
            *self.inner.live.write().unwrap_or_else(PoisonError::into_inner) = generation;
        }
        Ok(self.live().number() != left.number())
    }

    /// Writes a batch and moves the checkpoint, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::CheckpointMoved`] if the checkpoint is not where the batch begins; nothing was written then, nor
    /// on any other error.
    pub async fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let batch = batch.clone();
        self.on_thread(move |tables| tables.apply_blocking(&batch)).await
    }

    /// See [`apply`](Self::apply).
    pub fn apply_blocking(&self, batch: &Batch) -> Result<(), StoreError> {
        let generation = self.live();
        match generation.apply(batch) {
            // Rebuilt tables may be ahead of the ones before them, which may be gone.
            Err(error) if !error.is_retryable() && self.turn_from(&generation)? => self.apply_from_checkpoint(batch),
            result => result,
        }
    }

    /// Writes what the tables do not hold yet of a batch: for the one that may not wait while another projector is at
    /// work, because it leads.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); the checkpoint is then before the batch, or was moved just now.
    pub async fn apply_rest(&self, batch: &Batch) -> Result<(), StoreError> {
        let batch = batch.clone();
        self.on_thread(move |tables| match tables.apply_blocking(&batch) {
            Err(StoreError::CheckpointMoved { .. }) => tables.apply_from_checkpoint(&batch),
            result => result,
        })
        .await
    }

    fn apply_from_checkpoint(&self, batch: &Batch) -> Result<(), StoreError> {
        let generation = self.live();
        let (checkpoint, _) = checkpoint::read(&generation)?;
        batch.clone().onto(checkpoint.sequence).map_or(Ok(()), |rest| generation.apply(&rest))
    }

    /// Where the tables are.
    pub async fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        self.on_thread(Self::checkpoint_blocking).await
    }

    /// See [`checkpoint`](Self::checkpoint).
    pub fn checkpoint_blocking(&self) -> Result<Checkpoint, StoreError> {
        let generation = self.live();
        match checkpoint::read(&generation) {
            Ok((checkpoint, None)) => Ok(checkpoint),
            Err(error) if error.is_retryable() => Err(error),
            first if !self.turn_from(&generation)? => first.map(|(checkpoint, _)| checkpoint),
            _ => Ok(checkpoint::read(&self.live())?.0),
        }
    }

    /// When sessions were last heard, as far as was noted.
    pub async fn heartbeats(&self) -> Result<Vec<(SessionId, LogTime)>, StoreError> {
        Ok(self.fetch(sessions::heartbeats(), sessions::read_heartbeat).await?.value)
    }

    /// Notes when sessions were last heard. Times never go back; unknown sessions are left out.
    pub async fn note_heartbeats(&self, heard: &[(SessionId, LogTime)]) -> Result<(), StoreError> {
        let heard = heard.to_owned();
        self.on_thread(move |tables| tables.note_heartbeats_blocking(&heard)).await
    }

    fn note_heartbeats_blocking(&self, heard: &[(SessionId, LogTime)]) -> Result<(), StoreError> {
        if heard.is_empty() {
            return Ok(());
        }
        // Of tables that were superseded nobody reads what is noted there.
        self.checkpoint_blocking()?;
        let script = sessions::note_heartbeats(heard);
        self.live().writer().transact(|writer| run(writer, &script))
    }

    async fn on_thread<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let tables = self.clone();
        blocking(move || work(&tables)).await
    }

    /// Runs a read on the live generation, and says at which sequence that was; once more if another generation has
    /// taken over.
    async fn fetch<T: Send + 'static>(
        &self,
        statement: Statement,
        read: fn(&mut Cells) -> Result<T, String>,
    ) -> Result<At<Vec<T>>, StoreError> {
        let work = move |tables: &Self| {
            let generation = tables.live();
            match generation.fetch(&statement, read) {
                Ok((found, false)) => Ok(found),
                Err(error) if error.is_retryable() => Err(error),
                first if !tables.turn_from(&generation)? => first.map(|(found, _)| found),
                _ => tables.live().fetch(&statement, read).map(|(found, _)| found),
            }
        };
        self.on_thread(work).await
    }
}

impl Generation {
    fn fetch<T>(
        &self,
        statement: &Statement,
        read: fn(&mut Cells) -> Result<T, String>,
    ) -> Result<(At<Vec<T>>, bool), StoreError> {
        let sequence = checkpoint::sequence();
        let both = self.readers.fetch_both((&sequence, checkpoint::decode_sequence), (statement, read));
        let (sequence, value) = both?;
        let (sequence, superseded) = *sequence.first().ok_or_else(|| self.damaged("the checkpoint is missing"))?;
        Ok((At { value, sequence }, superseded))
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let (advance, script) = (checkpoint::advance(batch), script(batch));
        let applied = self.writer().transact(|writer| {
            // Whoever lost the checkpoint has nothing to undo.
            if writer.execute(&advance)? == 0 {
                return Err(StoreError::CheckpointMoved { expected: batch.previous });
            }
            run(writer, &script)
        });
        applied.map_err(|error| match error {
            StoreError::Sql { transient: false, .. } => {
                StoreError::Refused { first: batch.previous + 1, last: batch.sequence, source: error.into() }
            }
            other => other,
        })
    }
}

fn run(writer: &Writer, script: &Script) -> Result<(), StoreError> {
    writer.execute_all(&script.statements)
}

/// The statements of a batch. Deletes come before writes, so that an id may go from one row to another.
fn script(batch: &Batch) -> Script {
    let mut script = Script::default();
    rows::write(&mut script, &batch.llms);
    rows::write(&mut script, &batch.agents);
    documents::write(&mut script, &batch.projects);
    documents::write(&mut script, &batch.personalities);
    documents::write(&mut script, &batch.prompts);
    sessions::write(&mut script, &batch.sessions);
    tokens::write(&mut script, &batch.tokens);
    bindings::write(&mut script, &batch.bindings);
    events::write(&mut script, &batch.events);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_that_find_their_generation_superseded_both_go_on_with_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::open_blocking(dir.path()).unwrap();
        let left = tables.live();
        let rebuilding = Rebuilding::begin(&dir.path().into()).unwrap();
        let live = rebuilding.stop_live().unwrap();
        assert_eq!(rebuilding.switch(live).unwrap(), 2);
        for who in ["the first", "the second"] {
            assert!(tables.turn_from(&left).unwrap(), "{who}");
        }
        assert_eq!(tables.generation(), 2);
        assert!(!tables.turn_from(&tables.live()).unwrap());
    }
}
