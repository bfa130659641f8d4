//! Generations of the tables: a rebuild fills a new one beside the live one, and takes its place.
//!
//! `tables.generation` names the live one, `tables-<n>.db`, or one that says itself by which it was superseded: that note
//! is the moment of the switch, and the file follows it. A superseded generation refuses writes; whoever still has it
//! open finds the new one then.

use super::{
    StoreError, Tables, checkpoint, sessions,
    sqlite::{self, Access, Durability, Readers, Writer},
};
use crate::Checkpoint;
use mcpctl_events::log::sqlite::copy;
use mcpctl_migrations::PROJECTION_VERSION;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

const POINTER: &str = "tables.generation";
/// Locked while a generation is made or takes over, so that two processes that start together agree on one.
const LOCK: &str = "tables.lock";

/// One set of tables.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u64,
    file: PathBuf,
    pub(super) readers: Readers,
    writer: Mutex<Writer>,
}

impl Generation {
    pub(super) fn open_or_create(dir: &Path) -> Result<Self, StoreError> {
        let _locked = lock(dir)?;
        match Self::open_live(dir) {
            Err(StoreError::NoTables { .. }) => Self::create_live(dir),
            Err(StoreError::OlderVersion { file, found, known }) => {
                tracing::warn!(
                    tables.file = %file.display(), tables.version = found, projection.version = known,
                    "the read tables are of an older version: filling new ones from the log"
                );
                Self::create_live(dir)
            }
            other => other,
        }
    }

    pub(super) fn open_live(dir: &Path) -> Result<Self, StoreError> {
        let number = live_number(dir)?.ok_or_else(|| StoreError::NoTables { dir: dir.to_owned() })?;
        let file = file_of(dir, number);
        if !file.exists() {
            return Err(StoreError::NoTables { dir: dir.to_owned() });
        }
        let generation = Self::open(number, file)?;
        generation.check_version()?;
        Ok(generation)
    }

    fn create_live(dir: &Path) -> Result<Self, StoreError> {
        let generation = Self::create(dir)?;
        generation.writer().settle()?;
        point_to(dir, generation.number)?;
        remove_older(dir, generation.number);
        Ok(generation)
    }

    /// Makes empty tables that are not live yet.
    fn create(dir: &Path) -> Result<Self, StoreError> {
        let live = live_number(dir).unwrap_or_default();
        let number = numbers(dir)?.into_iter().chain(live).max().unwrap_or(0) + 1;
        let file = file_of(dir, number);
        let conn = sqlite::connect(&file, Durability::Fold, Access::Create)?;
        sqlite::run_schema(&conn, &file, mcpctl_migrations::sqlite::TABLES)?;
        Writer::new(&file, conn).execute(&checkpoint::first(number, PROJECTION_VERSION))?;
        Self::open(number, file)
    }

    fn open(number: u64, file: PathBuf) -> Result<Self, StoreError> {
        let writer = Mutex::new(Writer::open(&file, Durability::Fold)?);
        let readers = Readers::open(&file, Durability::Fold)?;
        Ok(Self { number, file, readers, writer })
    }

    fn check_version(&self) -> Result<(), StoreError> {
        let found = self.readers.fetch(&checkpoint::version(), checkpoint::decode_version)?.pop();
        let found = found.ok_or_else(|| self.damaged("the checkpoint is missing"))?;
        let (file, known) = (self.file.clone(), PROJECTION_VERSION);
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

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn damaged(&self, reason: &str) -> StoreError {
        StoreError::Damaged { file: self.file.clone(), reason: reason.to_owned() }
    }
}

/// A generation that is being filled, and takes over when it is complete.
#[derive(Debug)]
pub(crate) struct Rebuilding {
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
    pub(crate) fn begin(dir: &Path) -> Result<Self, StoreError> {
        let _locked = lock(dir)?;
        let new = Generation::create(dir)?;
        Ok(Self { tables: Tables::from(dir, new), done: false })
    }

    /// The tables that are being filled.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Keeps everybody from writing to the live tables; `None` if there are none whose checkpoint could be kept.
    pub(crate) fn stop_live(&self) -> Result<Option<Stopped>, StoreError> {
        let (dir, new) = (self.tables.dir(), self.tables.live().number);
        loop {
            // What cannot be read is not worth keeping: that is what a rebuild is for.
            let number = match live_number(dir) {
                Err(StoreError::Damaged { .. }) => return Ok(None),
                number => number?,
            };
            let Some(number) = number else { return Ok(None) };
            if number > new {
                return Err(StoreError::Overtaken { dir: dir.to_owned() });
            }
            let file = file_of(dir, number);
            if !file.exists() {
                return Ok(None);
            }
            let opened = Writer::open(&file, Durability::Fold).and_then(|writer| writer.begin().map(|()| writer));
            let writer = match opened {
                Err(StoreError::Sql { transient: false, .. }) => return Ok(None),
                writer => writer?,
            };
            // Tables of another version, or damaged ones, may have no such columns.
            let found = writer.fetch(&checkpoint::select(), checkpoint::decode).unwrap_or_default().pop();
            match found {
                Some((checkpoint, None)) => return Ok(Some(Stopped { writer, checkpoint })),
                // Another rebuild took over just now: its tables are the live ones.
                Some((_, Some(_))) if live_number(dir)? != Some(number) => {}
                _ => return Ok(None),
            }
        }
    }

    /// Makes the new tables live, closes the old ones for good, and removes their files; the new generation.
    pub(crate) fn switch(mut self, live: Option<Stopped>) -> Result<u64, StoreError> {
        let new = self.tables.live();
        let live = live.map(|live| live.writer);
        if let Some(live) = &live {
            // The heartbeats of the old tables are on no log that is read here.
            let heard = live.fetch(&sessions::heartbeats(), sessions::read_heartbeat).unwrap_or_default();
            self.tables.note_heartbeats_blocking(&heard)?;
        }
        new.writer().settle()?;
        let _locked = lock(self.tables.dir())?;
        if let Some(live) = &live {
            live.execute(&checkpoint::supersede(new.number))?;
            live.commit()?;
        }
        // From here on these are the live tables, even if this process ends before it has said so.
        self.done = true;
        match point_to(self.tables.dir(), new.number) {
            Ok(()) => remove_older(self.tables.dir(), new.number),
            Err(error) if live.is_some() => tracing::warn!(%error, "the old read tables stay, and name the new ones"),
            Err(error) => return Err(error),
        }
        Ok(new.number)
    }
}

impl Drop for Rebuilding {
    fn drop(&mut self) {
        let file = self.tables.live().file.clone();
        if !self.done
            && let Err(error) = sqlite::remove(&file)
        {
            tracing::warn!(tables.file = %file.display(), %error, "could not remove half-built read tables");
        }
    }
}

/// Copies the live generation into another folder, where it is the live one. No other takes over meanwhile.
pub(super) fn copy_live(dir: &Path, to: &Path) -> Result<(), StoreError> {
    let _locked = lock(dir)?;
    let number = live_number(dir)?.ok_or_else(|| StoreError::NoTables { dir: dir.to_owned() })?;
    copy(&file_of(dir, number), &file_of(to, number))?;
    point_to(to, number)
}

/// The number of the live generation, if there is one: from the one that is named on to what took over from it. A
/// rebuild that was killed within its switch leaves the name behind.
pub(super) fn live_number(dir: &Path) -> Result<Option<u64>, StoreError> {
    let Some(mut number) = named_number(dir)? else { return Ok(None) };
    while let Some(next) = successor(&file_of(dir, number))
        && next > number
        && file_of(dir, next).exists()
    {
        number = next;
    }
    Ok(Some(number))
}

/// Which generation took over from the one in this file. Tables of another version, or damaged ones, don't say.
fn successor(file: &Path) -> Option<u64> {
    let readers = file.exists().then(|| Readers::open(file, Durability::Fold).ok()).flatten()?;
    readers.fetch(&checkpoint::select(), checkpoint::decode).ok()?.pop()?.1
}

fn named_number(dir: &Path) -> Result<Option<u64>, StoreError> {
    let file = dir.join(POINTER);
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(StoreError::Damaged { file, reason: format!("`{}` is no number", text.trim()) }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::File { file, source }),
    }
}

/// Makes the folder if there is none, and waits for whoever else makes or switches generations in it.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let file = dir.join(LOCK);
    let take = || {
        fs::create_dir_all(dir)?;
        let locked = File::options().create(true).append(true).open(&file)?;
        locked.lock()?;
        Ok(locked)
    };
    take().map_err(|source| StoreError::File { file: file.clone(), source })
}

fn file_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("tables-{number}.db"))
}

/// The generations in a folder, complete or not.
fn numbers(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let entries = fs::read_dir(dir).map_err(|source| StoreError::File { file: dir.to_owned(), source })?;
    let number = |entry: fs::DirEntry| {
        // With what SQLite leaves beside a file when its process is killed.
        entry.file_name().to_str()?.strip_prefix("tables-")?.split_once(".db")?.0.parse::<u64>().ok()
    };
    Ok(entries.filter_map(|entry| number(entry.ok()?)).collect())
}

/// Names the live generation, atomically and synced.
fn point_to(dir: &Path, number: u64) -> Result<(), StoreError> {
    let (file, new) = (dir.join(POINTER), dir.join(format!("{POINTER}.new")));
    let write = || {
        let mut out = File::create(&new)?;
        writeln!(out, "{number}")?;
        out.sync_all()?;
        fs::rename(&new, &file)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| StoreError::File { file: file.clone(), source })
}

/// Removes what was live before `number`. What cannot be removed is only in the way of the disk.
fn remove_older(dir: &Path, number: u64) {
    for old in numbers(dir).unwrap_or_default().into_iter().filter(|old| *old < number) {
        let file = file_of(dir, old);
        if let Err(error) = sqlite::remove(&file) {
            tracing::warn!(tables.file = %file.display(), %error, "could not remove old read tables");
        }
    }
}
