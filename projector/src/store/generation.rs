//! Generations of the tables: a rebuild fills a new one beside the live one, and takes its place.
//!
//! A pointer names the live one, or one that says itself by which it was superseded: that note is the moment of the
//! switch, and the pointer follows it. A superseded generation refuses writes; whoever still has it open finds the new one
//! then. In a folder, generations are files; in Postgres, schemas.

mod folder;
mod schemas;

use super::{
    Database, StoreError, Tables, checkpoint,
    database::{Readers, Snapshot, Writer},
    sessions,
};
use crate::Checkpoint;
use folder::Folder;
use mcpctl_migrations::PROJECTION_VERSION;
use schemas::Schemas;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Where the generations of a database are.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    Folder(Folder),
    Schemas(Schemas),
}

/// Held by whoever makes or switches generations, so that two processes that start together agree on one.
#[expect(dead_code, reason = "it is held")]
enum Lock {
    File(std::fs::File),
    Table(Box<super::postgres::Connection>),
}

/// Does the same at either home.
macro_rules! at {
    ($home:expr, $method:ident($($argument:expr),*)) => {
        match $home {
            Home::Folder(home) => home.$method($($argument),*),
            Home::Schemas(home) => home.$method($($argument),*),
        }
    };
}

impl Home {
    pub(super) fn of(database: &Database) -> Self {
        match database {
            Database::Folder(dir) => Self::Folder(Folder(dir.clone())),
            Database::Postgres(server) => Self::Schemas(Schemas(server.clone())),
        }
    }

    /// The database, for people.
    fn shown(&self) -> PathBuf {
        at!(self, shown())
    }

    /// A generation, for people.
    fn place(&self, number: u64) -> PathBuf {
        at!(self, place(number))
    }

    /// Makes the home if it is new, and waits for whoever else is at work in it.
    fn lock(&self) -> Result<Lock, StoreError> {
        at!(self, lock())
    }

    /// The generation that the pointer names.
    fn named(&self) -> Result<Option<u64>, StoreError> {
        at!(self, named())
    }

    /// The generations that there are, complete or not.
    fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        at!(self, numbers())
    }

    fn exists(&self, number: u64) -> Result<bool, StoreError> {
        at!(self, exists(number))
    }

    /// Makes empty tables.
    fn make(&self, number: u64) -> Result<(), StoreError> {
        at!(self, make(number))
    }

    fn writer(&self, number: u64) -> Result<Writer, StoreError> {
        at!(self, writer(number))
    }

    fn readers(&self, number: u64) -> Result<Readers, StoreError> {
        at!(self, readers(number))
    }

    fn snapshot(&self, number: u64) -> Result<Snapshot, StoreError> {
        at!(self, snapshot(number))
    }

    /// Has the pointer name a generation, atomically.
    fn point_to(&self, number: u64) -> Result<(), StoreError> {
        at!(self, point_to(number))
    }

    fn remove(&self, number: u64) -> Result<(), StoreError> {
        at!(self, remove(number))
    }

    /// The number of the live generation, if there is one: from the one that is named on to what took over from it. A
    /// rebuild that was killed within its switch leaves the name behind.
    pub(super) fn live_number(&self) -> Result<Option<u64>, StoreError> {
        loop {
            let Some(named) = self.named()? else { return Ok(None) };
            let number = self.last_after(named)?;
            // It may have been removed since it was named, and with it the note of what took over: then another one is
            // named by now.
            if self.exists(number)? || self.named()? == Some(named) {
                return Ok(Some(number));
            }
        }
    }

    fn last_after(&self, mut number: u64) -> Result<u64, StoreError> {
        while let Some(next) = self.successor(number)
            && next > number
            && self.exists(next)?
        {
            number = next;
        }
        Ok(number)
    }

    /// Which generation took over from this one. Tables of another version, or damaged ones, don't say.
    fn successor(&self, number: u64) -> Option<u64> {
        let readers = self.exists(number).ok()?.then(|| self.readers(number).ok()).flatten()?;
        readers.fetch(&checkpoint::select(), checkpoint::decode).ok()?.pop()?.1
    }

    /// Removes what was live before `number`. What cannot be removed is only in the way of the disk.
    fn remove_older(&self, number: u64) {
        for old in self.numbers().unwrap_or_default().into_iter().filter(|old| *old < number) {
            if let Err(error) = self.remove(old) {
                tracing::warn!(tables = %self.place(old).display(), %error, "could not remove old read tables");
            }
        }
    }
}

/// One set of tables.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u64,
    home: Home,
    pub(super) readers: Readers,
    writer: Mutex<Writer>,
}

impl Generation {
    pub(super) fn open_or_create(home: &Home) -> Result<Self, StoreError> {
        let _locked = home.lock()?;
        match Self::open_live(home) {
            Err(StoreError::NoTables { .. }) => Self::create_live(home),
            Err(StoreError::OlderVersion { file, found, known }) => {
                tracing::warn!(
                    tables = %file.display(), tables.version = found, projection.version = known,
                    "the read tables are of an older version: filling new ones from the log"
                );
                Self::create_live(home)
            }
            other => other,
        }
    }

    pub(super) fn open_live(home: &Home) -> Result<Self, StoreError> {
        let no_tables = || StoreError::NoTables { dir: home.shown() };
        let number = home.live_number()?.ok_or_else(no_tables)?;
        if !home.exists(number)? {
            return Err(no_tables());
        }
        let generation = Self::open(number, home)?;
        generation.check_version()?;
        Ok(generation)
    }

    fn create_live(home: &Home) -> Result<Self, StoreError> {
        let generation = Self::create(home)?;
        generation.writer().settle()?;
        home.point_to(generation.number)?;
        home.remove_older(generation.number);
        Ok(generation)
    }

    /// Makes empty tables that are not live yet.
    fn create(home: &Home) -> Result<Self, StoreError> {
        let live = home.live_number().unwrap_or_default();
        let number = home.numbers()?.into_iter().chain(live).max().unwrap_or(0) + 1;
        home.make(number)?;
        Self::open(number, home)
    }

    fn open(number: u64, home: &Home) -> Result<Self, StoreError> {
        let writer = Mutex::new(home.writer(number)?);
        Ok(Self { number, readers: home.readers(number)?, writer, home: home.clone() })
    }

    fn check_version(&self) -> Result<(), StoreError> {
        let found = self.readers.fetch(&checkpoint::version(), checkpoint::decode_version)?.pop();
        let found = found.ok_or_else(|| self.damaged("the checkpoint is missing"))?;
        let (file, known) = (self.home.place(self.number), PROJECTION_VERSION);
        match found.cmp(&i64::from(known)) {
            std::cmp::Ordering::Less => Err(StoreError::OlderVersion { file, found, known }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(StoreError::NewerVersion { file, found, known }),
        }
    }

    /// A transaction that panics is rolled back by the next one's start, so a poisoned lock is as good as any.
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// All of it as it is at one moment.
    pub(super) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.home.snapshot(self.number)
    }

    pub(super) fn damaged(&self, reason: &str) -> StoreError {
        StoreError::Damaged { file: self.home.place(self.number), reason: reason.to_owned() }
    }
}

/// A generation that is being filled, and takes over when it is complete.
#[derive(Debug)]
pub(crate) struct Rebuilding {
    number: u64,
    tables: Tables,
    done: bool,
}

/// The live tables, while nobody else may write to them.
pub(crate) struct Stopped {
    writer: Writer,
    pub(crate) checkpoint: Checkpoint,
}

impl Rebuilding {
    /// Makes empty tables beside the live ones.
    pub(crate) fn begin(database: &Database) -> Result<Self, StoreError> {
        let home = Home::of(database);
        let _locked = home.lock()?;
        let new = Generation::create(&home)?;
        Ok(Self { number: new.number, tables: Tables::from(database, new, true), done: false })
    }

    /// The tables that are being filled.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Keeps everybody from writing to the live tables; `None` if there are none whose checkpoint could be kept.
    pub(crate) fn stop_live(&self) -> Result<Option<Stopped>, StoreError> {
        let (home, new) = (self.tables.home(), self.tables.live().number);
        loop {
            // What cannot be read is not worth keeping: that is what a rebuild is for.
            let number = match home.live_number() {
                Err(StoreError::Damaged { .. }) => return Ok(None),
                number => number?,
            };
            let Some(number) = number else { return Ok(None) };
            if number > new {
                return Err(StoreError::Overtaken { dir: home.shown() });
            }
            if !home.exists(number)? {
                return Ok(None);
            }
            let opened = home.writer(number).and_then(|mut writer| {
                writer.begin()?;
                // Nobody moves the checkpoint from now on; the tables of some databases do not stand still by themselves.
                writer.execute(&checkpoint::hold()).map(|_| writer)
            });
            let writer = match opened {
                Err(StoreError::Sql { transient: false, .. }) => return Ok(None),
                writer => writer?,
            };
            // Tables of another version, or damaged ones, may have no such columns.
            let found = writer.fetch(&checkpoint::select(), checkpoint::decode).unwrap_or_default().pop();
            match found {
                Some((checkpoint, None)) => return Ok(Some(Stopped { writer, checkpoint })),
                // Another rebuild took over just now: its tables are the live ones.
                Some((_, Some(_))) if home.live_number()? != Some(number) => {}
                _ => return Ok(None),
            }
        }
    }

    /// Makes the new tables live, closes the old ones for good, and removes their files; the new generation.
    pub(crate) fn switch(mut self, live: Option<Stopped>) -> Result<u64, StoreError> {
        let new = self.tables.live();
        if let Some(live) = &live {
            // The heartbeats of the old tables are on no log that is read here. Read on the side: an error would end the
            // transaction that keeps those tables still.
            let readers = self.tables.home().readers(live.checkpoint.generation)?;
            let heard = readers.fetch(&sessions::heartbeats(), sessions::read_heartbeat).unwrap_or_default();
            self.tables.note_heartbeats_blocking(&heard)?;
        }
        let mut live = live.map(|live| live.writer);
        new.writer().settle()?;
        let home = self.tables.home().clone();
        let _locked = home.lock()?;
        if let Some(live) = &mut live {
            live.execute(&checkpoint::supersede(new.number))?;
            live.commit()?;
        }
        // From here on these are the live tables, even if this process ends before it has said so.
        self.done = true;
        match home.point_to(new.number) {
            Ok(()) => home.remove_older(new.number),
            Err(error) if live.is_some() => tracing::warn!(%error, "the old read tables stay, and name the new ones"),
            Err(error) => return Err(error),
        }
        Ok(new.number)
    }
}

impl Drop for Rebuilding {
    fn drop(&mut self) {
        let (home, number) = (self.tables.home(), self.number);
        if !self.done
            && let Err(error) = home.remove(number)
        {
            tracing::warn!(tables = %home.place(number).display(), %error, "could not remove half-built read tables");
        }
    }
}

/// Copies the live generation in a folder into another one, where it is the live one. No other takes over meanwhile.
pub(super) fn copy_live(dir: &Path, to: &Path) -> Result<(), StoreError> {
    Folder(dir.to_owned()).copy_live(&Folder(to.to_owned()))
}
