//! `mcpd backup`: a folder with all that a server keeps, from which another can be started.

use crate::{
    config::{Config, LogTarget},
    heads,
    server::{Refused, make_private},
};
use anyhow::{Context, bail, ensure};
use mcpctl_events::{
    log::sqlite::{SqliteHeartbeats, SqliteLog, copy},
    replay::fold_to,
    replica::Replica,
};
use mcpctl_projector::{
    Tables,
    store::{Database, back_up},
};
use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

/// In a folder that is being filled: held by the one who does.
const LOCK: &str = "backup.lock";

/// Copies everything into `dir`, reads it back, and says what is there. All of it is there then, or nothing. Blocks.
///
/// Each database is copied as it is at one moment, the log last: what the others know is on it.
pub fn run(config: &Config, dir: &Path) -> anyhow::Result<String> {
    // Without a slash at its end, behind which the draft's name would be another folder's.
    let dir = &dir.components().collect::<PathBuf>();
    let draft = Draft::begin(dir)?;
    let (LogTarget::Sqlite(log), Database::Folder(db)) = (&config.log, &config.db) else {
        bail!(Refused::new(
            "backup copies SQLite files: of a log in Kafka, `mcpctl audit export` makes a copy, and of tables in Postgres, pg_dump"
                .to_owned()
        ));
    };
    ensure!(
        log.exists(),
        Refused::new(format!("there is no log at {}; --data-dir or --log says where", log.display()))
    );
    let copied_log = draft.path.join("log.db");
    let heads = heads::file(&config.data_dir);
    if heads.exists() {
        fs::copy(&heads, heads::file(&draft.path)).context("the signed heads cannot be copied")?;
    }
    back_up(db, &draft.path)?;
    let heartbeats = SqliteHeartbeats::beside(log);
    if heartbeats.exists() {
        copy(&heartbeats, &SqliteHeartbeats::beside(&copied_log))?;
    }
    copy(log, &copied_log)?;
    let replica = read_back(&draft.path, &copied_log)?;
    draft.finish(dir)?;
    let admission = &replica.admission;
    Ok(format!(
        "{} events, head {}:{}\nserve it with: mcpd --data-dir {}",
        admission.last_sequence,
        admission.last_sequence,
        admission.head,
        dir.display()
    ))
}

/// Folds the copied log from its first record, and checks that the copied tables are of it.
fn read_back(dir: &Path, log: &Path) -> anyhow::Result<Replica> {
    let log = SqliteLog::open_read_only(log)?;
    let checkpoint = Tables::open_blocking(dir)?.checkpoint_blocking()?;
    let mut replica = Replica::default().on(&log);
    let workers = available_parallelism().map_or(1, Into::into);
    fold_to(&log, &mut replica, workers, checkpoint.sequence)?;
    checkpoint.check(&replica.admission)?;
    fold_to(&log, &mut replica, workers, u64::MAX)?;
    Ok(replica)
}

/// A folder that is being filled. Dropping it removes it.
struct Draft {
    path: PathBuf,
    /// Shows others that somebody is at work there.
    _lock: File,
}

impl Draft {
    fn begin(dir: &Path) -> anyhow::Result<Self> {
        let in_the_way = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        let taken = format!("{}: is not empty; name a folder that is not there yet", dir.display());
        ensure!(!in_the_way, Refused::new(taken));
        let no_folder = format!("{}: is there, and no folder", dir.display());
        ensure!(dir.is_dir() || fs::symlink_metadata(dir).is_err(), Refused::new(no_folder));
        let mut path = dir.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let cannot = |error| Refused::io(format!("cannot make {}", path.display()), error);
        if path.exists() {
            clear(&path)?;
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        make_private(parent.unwrap_or(Path::new("."))).map_err(cannot)?;
        // Fails if another backup was faster.
        DirBuilder::new().mode(0o700).create(&path).map_err(cannot)?;
        let lock = File::create_new(path.join(LOCK)).and_then(|lock| lock.lock().map(|()| lock));
        Ok(Self { _lock: lock.map_err(cannot)?, path })
    }

    fn finish(self, dir: &Path) -> anyhow::Result<()> {
        fs::remove_file(self.path.join(LOCK))?;
        for entry in fs::read_dir(&self.path)? {
            File::open(entry?.path())?.sync_all()?;
        }
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, dir).with_context(|| format!("{} cannot be put in its place", dir.display()))?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?)
    }
}

/// Removes what a backup left that was killed: its lock is free then.
fn clear(path: &Path) -> anyhow::Result<()> {
    let lock = File::open(path.join(LOCK));
    let way_out = "move it away, or name another folder";
    let not_ours =
        |_| Refused::new(format!("{}: is in the way, and no backup that was cut off; {way_out}", path.display()));
    let lock = lock.map_err(not_ours)?;
    let busy = |_| Refused::new(format!("{}: another backup is at work there", path.display()));
    lock.try_lock().map_err(busy)?;
    Ok(fs::remove_dir_all(path)
        .map_err(|error| Refused::io(format!("{}: cannot be removed", path.display()), error))?)
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already if it was put in its place; else the next backup removes what stays behind.
        let _ = fs::remove_dir_all(&self.path);
    }
}
