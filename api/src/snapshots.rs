//! Snapshots of the fold on the disk, along the history: a cache that makes a start fast, and any look back.
//!
//! One is a file named by its sequence. They are a few ten thousand events apart at first; when there are many, the one
//! that is missed least goes, so that a long history has them further apart, and their number is bounded.

use mcpctl_events::{
    log::EventLog,
    replay::{ReplayError, fold_to},
    replica::Replica,
    snapshot::{self, Unusable},
};
use mcpctl_projector::Kept;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Events from one snapshot to the next.
pub const STEP: u64 = 25_000;
/// Most snapshots.
const MOST: usize = 64;

/// Where the snapshots are.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
    /// How often all of them were given up. What was made from one before that is not to come after it.
    epoch: Arc<Mutex<u64>>,
}

impl Snapshots {
    /// The snapshots of a data folder.
    pub fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("snapshots"), epoch: Arc::default() }
    }

    /// Removes what is of no use: drafts of a process that was killed, and snapshots of a longer log that was here before.
    pub fn tidy(&self, last: u64) {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let drafts = entries.filter(|path| path.extension().is_some_and(|end| end == "new"));
        let later = self.taken().into_iter().filter(|taken| *taken > last).map(|taken| self.file(taken));
        for file in drafts.chain(later) {
            let _ = fs::remove_file(file);
        }
    }

    /// The latest one that is not after `sequence` and fits the log. What can't be used is removed.
    pub fn load(&self, log: &dyn EventLog, sequence: u64) -> Option<Replica> {
        let taken = self.taken();
        let before = taken.iter().rev().skip_while(|taken| **taken > sequence);
        before.copied().find_map(|taken| {
            let file = self.file(taken);
            match read(&file, taken, log)? {
                Ok(replica) => Some(replica),
                Err(Unusable::LogUnreadable) => None,
                Err(reason) => {
                    tracing::warn!(file = %file.display(), %reason, "removing a snapshot that cannot be used");
                    let _ = fs::remove_file(&file);
                    None
                }
            }
        })
    }

    /// Those that would be used, to be compared with the log.
    pub fn kept(&self, log: &Arc<dyn EventLog>) -> Vec<Kept> {
        let kept = |sequence| {
            let (file, log) = (self.file(sequence), log.clone());
            let load = move || Some(read(&file, sequence, &*log)?.ok()?.on(&*log));
            Kept { place: "snapshot at", sequence, load: Box::new(load) }
        };
        self.taken().into_iter().map(kept).collect()
    }

    /// Goes into what is made from a snapshot, and is to be asked before that is loaded.
    pub fn epoch(&self) -> u64 {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes all of them, to be made anew from the log. What is in memory may come from one of them, and is not
    /// saved any more.
    pub fn give_up(&self) {
        let mut epoch = self.lock();
        *epoch += 1;
        for taken in self.taken() {
            let _ = fs::remove_file(self.file(taken));
        }
    }

    /// Writes a snapshot of what is in memory, for the next start.
    pub fn save_memory(&self, replica: &Replica) {
        self.save(replica, 0);
    }

    /// Writes a snapshot, unless what it was made of was given up; a reader sees all of it or nothing.
    fn save(&self, replica: &Replica, of: u64) {
        let epoch = self.lock();
        if *epoch != of {
            return;
        }
        let file = self.file(replica.admission.last_sequence);
        let write = || -> io::Result<()> {
            // Not where the data folder was moved away.
            match fs::create_dir(&self.dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let draft = file.with_extension("new");
            let written = write_private(&draft, &snapshot::encode(replica)?).and_then(|()| fs::rename(&draft, &file));
            if written.is_err() {
                // Its room is somebody else's.
                let _ = fs::remove_file(&draft);
            }
            written
        };
        if let Err(error) = write() {
            tracing::warn!(file = %file.display(), %error, "the snapshot could not be written; starts and looks back take longer");
        }
        let taken = self.taken();
        if taken.len() > MOST
            && let Some(spare) = spare(&taken)
        {
            let _ = fs::remove_file(self.file(spare));
        }
    }

    /// Makes the snapshots that a log of `last` events should have and that are not there, one by one, until `stop`
    /// says so. Blocks.
    ///
    /// # Errors
    /// The log could not be read or folded.
    pub fn fill(&self, log: &dyn EventLog, last: u64, stop: impl Fn() -> bool) -> Result<(), ReplayError> {
        let mut replica = Replica::default().on(log);
        let epoch = self.epoch();
        while let Some((after, wanted)) = missing(&self.taken(), last)
            && !stop()
        {
            if replica.admission.last_sequence != after {
                replica = self.load(log, after).unwrap_or_default().on(log);
            }
            fold_to(log, &mut replica, 1, wanted)?;
            let reached = replica.admission.last_sequence;
            self.save(&replica, epoch);
            // On a full disk, or at a record beyond `last`, it is for another time.
            if reached < wanted || !self.file(reached).exists() {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{sequence}.json"))
    }

    /// Sequences of the snapshots that are there, in order.
    fn taken(&self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let sequence = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let mut taken: Vec<u64> = entries.filter_map(|entry| sequence(entry.ok()?)).collect();
        taken.sort_unstable();
        taken
    }
}

/// It holds all that the log does, and is nobody else's business either.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(file);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}

/// The snapshot in a file, if it is there: one that is of another sequence than its name says is damage.
fn read(file: &Path, sequence: u64, log: &dyn EventLog) -> Option<Result<Replica, Unusable>> {
    // Neither waits for a pipe nor reads a device to its end.
    if !fs::symlink_metadata(file).ok()?.is_file() {
        return Some(Err(Unusable::Damaged));
    }
    let read = snapshot::decode(&fs::read(file).ok()?, log);
    Some(read.and_then(
        |replica| {
            if replica.admission.last_sequence == sequence { Ok(replica) } else { Err(Unusable::Damaged) }
        },
    ))
}

/// The snapshot to make next, and the one before it (0: the beginning): in the first gap that is twice too wide, as long
/// as there is room, and else behind the newest.
fn missing(taken: &[u64], last: u64) -> Option<(u64, u64)> {
    let before = std::iter::once(0).chain(taken.iter().copied());
    let mut gaps = before.zip(taken.iter().copied());
    let wide = gaps.find(|(from, to)| taken.len() < MOST && to - from > 2 * STEP).map(|(from, _)| from);
    let newest = taken.last().copied().unwrap_or_default();
    let after = wide.or_else(|| (newest + STEP <= last).then_some(newest))?;
    Some((after, after + STEP))
}

/// The one whose neighbours are closest to each other; the newest is what a start needs.
fn spare(taken: &[u64]) -> Option<u64> {
    let before = std::iter::once(0).chain(taken.iter().copied());
    let around = before.zip(taken).zip(taken.iter().skip(1));
    around.min_by_key(|((before, _), after)| **after - before).map(|((_, spare), _)| *spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there after a log has grown to `last`.
    fn grown(mut taken: Vec<u64>, last: u64) -> Vec<u64> {
        while let Some((after, wanted)) = missing(&taken, last) {
            assert!(after == 0 || taken.contains(&after));
            taken.push(wanted);
            taken.sort_unstable();
            if taken.len() > MOST {
                let spare = spare(&taken).expect("one too many");
                taken.retain(|taken| *taken != spare);
            }
        }
        taken
    }

    fn widest(taken: &[u64]) -> u64 {
        let before = std::iter::once(0).chain(taken.iter().copied());
        before.zip(taken).map(|(from, to)| to - from).max().unwrap_or_default()
    }

    #[test]
    fn a_history_of_a_million_events_has_one_in_reach_of_every_point() {
        let taken = grown(Vec::new(), 1_000_000);
        assert_eq!((taken.len(), taken.first(), taken.last()), (40, Some(&STEP), Some(&1_000_000)));
        assert_eq!(widest(&taken), STEP);
        assert_eq!(grown(taken.clone(), 1_000_000 + STEP - 1), taken);
    }

    #[test]
    fn drafts_and_what_lies_beyond_the_log_are_no_use() {
        let data = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(data.path());
        fs::create_dir(data.path().join("snapshots")).unwrap();
        for name in ["5.json", "9.json", "9.new"] {
            fs::write(data.path().join("snapshots").join(name), "").unwrap();
        }
        snapshots.tidy(5);
        assert_eq!(snapshots.taken(), [5]);
        assert_eq!(fs::read_dir(data.path().join("snapshots")).unwrap().count(), 1);
    }

    #[test]
    fn gaps_are_filled_where_a_stop_left_the_only_one() {
        let taken = grown(vec![300_123], 300_200);
        assert!(widest(&taken) <= 2 * STEP, "{taken:?}");
        assert_eq!(taken.last(), Some(&300_123));
    }

    #[test]
    fn a_long_history_keeps_so_many_spread_over_all_of_it() {
        let taken = grown(Vec::new(), 20_000_000);
        assert_eq!((taken.len(), taken.last()), (MOST, Some(&20_000_000)));
        assert!(widest(&taken) <= 4 * 20_000_000 / MOST as u64, "{taken:?}");
    }
}
