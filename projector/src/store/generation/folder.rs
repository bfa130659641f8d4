//! Generations as SQLite files in a folder: `tables.generation` names the live one, `tables-<n>.db`.

use super::{Home, Lock};
use crate::store::{
    StoreError, checkpoint,
    database::{Readers, Snapshot, Writer},
    sqlite::{self, Access, Durability},
};
use mcpctl_events::log::sqlite::copy;
use mcpctl_migrations::PROJECTION_VERSION;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

const POINTER: &str = "tables.generation";
const LOCK: &str = "tables.lock";

/// A folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(super) fn shown(&self) -> PathBuf {
        self.0.clone()
    }

    pub(super) fn place(&self, number: u64) -> PathBuf {
        self.0.join(format!("tables-{number}.db"))
    }

    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        let file = self.0.join(LOCK);
        let take = || {
            fs::create_dir_all(&self.0)?;
            let locked = File::options().create(true).append(true).open(&file)?;
            locked.lock()?;
            Ok(Lock::File(locked))
        };
        take().map_err(|source| StoreError::File { file: file.clone(), source })
    }

    pub(super) fn named(&self) -> Result<Option<u64>, StoreError> {
        let file = self.0.join(POINTER);
        match fs::read_to_string(&file) {
            Ok(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(StoreError::Damaged { file, reason: format!("`{}` is no number", text.trim()) }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::File { file, source }),
        }
    }

    pub(super) fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let entries = fs::read_dir(&self.0).map_err(|source| StoreError::File { file: self.0.clone(), source })?;
        let number = |entry: fs::DirEntry| {
            // With what SQLite leaves beside a file when its process is killed.
            entry.file_name().to_str()?.strip_prefix("tables-")?.split_once(".db")?.0.parse::<u64>().ok()
        };
        Ok(entries.filter_map(|entry| number(entry.ok()?)).collect())
    }

    #[expect(clippy::unnecessary_wraps, reason = "in other homes it can fail")]
    pub(super) fn exists(&self, number: u64) -> Result<bool, StoreError> {
        Ok(self.place(number).exists())
    }

    pub(super) fn make(&self, number: u64) -> Result<(), StoreError> {
        let file = self.place(number);
        let conn = sqlite::connect(&file, Durability::Fold, Access::Create)?;
        sqlite::run_schema(&conn, &file, mcpctl_migrations::sqlite::TABLES)?;
        sqlite::Writer::new(&file, conn).execute(&checkpoint::first(number, PROJECTION_VERSION)).map(drop)
    }

    pub(super) fn writer(&self, number: u64) -> Result<Writer, StoreError> {
        sqlite::Writer::open(&self.place(number), Durability::Fold).map(Writer::Sqlite)
    }

    pub(super) fn readers(&self, number: u64) -> Result<Readers, StoreError> {
        Readers::of_file(&self.place(number), Durability::Fold)
    }

    pub(super) fn snapshot(&self, number: u64) -> Result<Snapshot, StoreError> {
        sqlite::Snapshot::open(&self.place(number)).map(Snapshot::Sqlite)
    }

    /// Synced.
    pub(super) fn point_to(&self, number: u64) -> Result<(), StoreError> {
        let (file, new) = (self.0.join(POINTER), self.0.join(format!("{POINTER}.new")));
        let write = || {
            let mut out = File::create(&new)?;
            writeln!(out, "{number}")?;
            out.sync_all()?;
            fs::rename(&new, &file)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|source| StoreError::File { file: file.clone(), source })
    }

    pub(super) fn remove(&self, number: u64) -> Result<(), StoreError> {
        let file = self.place(number);
        sqlite::remove(&file).map_err(|source| StoreError::File { file, source })
    }

    pub(super) fn copy_live(&self, to: &Self) -> Result<(), StoreError> {
        let _locked = self.lock()?;
        let number = Home::Folder(self.clone()).live_number()?;
        let number = number.ok_or_else(|| StoreError::NoTables { dir: self.shown() })?;
        let (from, into): (&Path, &Path) = (&self.place(number), &to.place(number));
        copy(from, into)?;
        to.point_to(number)
    }
}
