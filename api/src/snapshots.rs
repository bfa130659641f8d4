//! The snapshot on the disk: written now and then, and at a clean stop; a cache that a start may use or not.

use mcpctl_events::{log::EventLog, replica::Replica, snapshot};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the snapshot is.
#[derive(Debug, Clone)]
pub struct Snapshots {
    file: PathBuf,
}

impl Snapshots {
    /// The snapshot of a data folder.
    pub fn new(data_dir: &Path) -> Self {
        Self { file: data_dir.join("snapshot.json") }
    }

    /// The snapshot, if there is one that fits the log and is not ahead of `sequence`.
    pub fn load(&self, log: &dyn EventLog, sequence: u64) -> Option<Replica> {
        let bytes = fs::read(&self.file).ok()?;
        match snapshot::decode(&bytes, log) {
            Ok(replica) => Some(replica).filter(|replica| replica.admission.last_sequence <= sequence),
            Err(reason) => {
                tracing::warn!(file = %self.file.display(), %reason, "folding the log from its start");
                None
            }
        }
    }

    /// Writes a snapshot; a reader sees the old one or the new one.
    pub fn save(&self, replica: &Replica) {
        let write = || -> io::Result<()> {
            let draft = self.file.with_extension("new");
            fs::write(&draft, snapshot::encode(replica)?)?;
            fs::rename(draft, &self.file)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %self.file.display(), %error, "the snapshot could not be written; the next start takes longer");
        }
    }
}
