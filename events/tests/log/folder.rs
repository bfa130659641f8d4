//! A folder for a test, removed after it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("log-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The log's file.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.db")
    }

    pub fn write_ahead_log(&self) -> PathBuf {
        self.0.join("log.db-wal")
    }

    pub fn lock(&self) -> PathBuf {
        self.0.join("log.db.lock")
    }

    /// What a process that was killed right now would leave behind: all files but the shared index, which no process
    /// that starts afresh believes.
    pub fn image(&self) -> Self {
        let image = Self::new();
        for (from, to) in [(self.log(), image.log()), (self.write_ahead_log(), image.write_ahead_log())] {
            if from.exists() {
                fs::copy(from, to).unwrap();
            }
        }
        image
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
