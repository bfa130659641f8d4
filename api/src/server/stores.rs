//! Opening what a server keeps: log, heartbeats, tables, work.

use super::Refused;
use crate::{
    clock::Clock,
    cluster::Key,
    config::{Config, LogTarget},
    credentials, heads, heartbeats,
    leases::Leases,
    subscribers::Subscribers,
    vital::Vital,
};
use anyhow::Context;
use mcpctl_events::{
    heartbeat::HeartbeatStream,
    log::{
        EventLog,
        kafka::{self as topic, KafkaEvents, KafkaHeartbeats, KafkaLog, KafkaTarget},
        sqlite::{OpenError, SqliteHeartbeats, SqliteLog},
    },
};
use mcpctl_projector::{
    Tables,
    store::{
        Database, StoreError,
        work::{Boot, WorkStore},
    },
};
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

/// How long a topic is looked for that should be there, and how often.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(500);

/// Takes the log for this process alone, before anything else is opened or made.
pub(super) async fn open_log(config: &Config) -> anyhow::Result<Arc<dyn EventLog>> {
    heads::check_key(config)?;
    config
        .args
        .cluster_key
        .as_deref()
        .map(Key::read)
        .transpose()
        .map_err(|error| Refused::new(format!("{error:#}")))?;
    match &config.log {
        LogTarget::Sqlite(path) => open_file(config, path),
        LogTarget::Kafka(target) => open_topic(config, target).await,
    }
}

/// Joins the processes that write a topic, which is made if there is none, and nothing was made of one.
async fn open_topic(config: &Config, target: &KafkaTarget) -> anyhow::Result<Arc<dyn EventLog>> {
    make_dir("--data-dir", &config.data_dir)?;
    let opened = match KafkaLog::open_existing(target) {
        Ok((log, warnings)) => Ok((log.prepared(target), warnings)),
        Err(topic::OpenError::Missing { topic }) => {
            may_make(config, target, &topic).await?;
            KafkaLog::open(target)
        }
        Err(error) => Err(error),
    };
    let (log, warnings) = opened.map_err(|error| Refused::new(format!("--log {target}: {error}")))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(Arc::new(log))
}

/// Whether a topic that is not there may be made: not beside tables of what it held. Another server may make it just now,
/// and brokers that have just started may find it yet.
async fn may_make(config: &Config, target: &KafkaTarget, topic: &str) -> anyhow::Result<()> {
    let Some(held) = projected(&config.db).await? else { return Ok(()) };
    tracing::warn!(topic, "there is no such topic, though the read tables were made of one: looking for a while");
    let begun = Instant::now();
    while begun.elapsed() < FOUND_WITHIN {
        tokio::time::sleep(LOOK).await;
        if !matches!(KafkaLog::open_existing(target), Err(topic::OpenError::Missing { .. })) {
            return Ok(());
        }
    }
    Err(Refused::new(format!(
        "--log {target}: there is no topic {topic}, and the read tables in --db {} hold {held}: name the log that it is \
         on, or move it here with `mcpctl migrate`. If that log is lost, restore it from a backup; to begin with an empty \
         registry, point --db at a fresh place",
        config.db
    ))
    .into())
}

/// What history the read tables hold, if any.
async fn projected(db: &Database) -> anyhow::Result<Option<String>> {
    let found = match Tables::open_existing(db).await {
        Ok(tables) => tables.checkpoint().await.map(|checkpoint| checkpoint.sequence),
        Err(StoreError::OlderVersion { .. }) => return Ok(Some("a history, in an older version's form".to_owned())),
        Err(StoreError::NoTables { .. }) => Ok(0),
        Err(error) => Err(error),
    };
    let sequence = found.map_err(|error| refused(db, &error))?;
    Ok((sequence > 0).then(|| format!("a history up to sequence {sequence}")))
}

fn open_file(config: &Config, path: &Path) -> anyhow::Result<Arc<dyn EventLog>> {
    if !path.exists() {
        credentials::check(config)?;
    }
    make_dir("--data-dir", &config.data_dir)?;
    if let Some(dir) = path.parent() {
        make_dir("--log", dir)?;
    }
    let refused = |error: OpenError| {
        let way_out = match error {
            OpenError::Locked { .. } => "; stop that one, or give this one another --data-dir",
            _ => "",
        };
        Refused::new(format!("--log sqlite:{}: {error}{way_out}", path.display()))
    };
    let log = SqliteLog::open(path).map_err(refused)?;
    Ok(Arc::new(log))
}

/// Who was heard before this start.
pub(super) async fn hear(
    config: &Config,
    clock: Clock,
    tables: &Tables,
) -> anyhow::Result<(Arc<dyn HeartbeatStream>, Arc<Leases>)> {
    let (heartbeats, leases) = (open_heartbeats(config)?, Arc::new(Leases::default()));
    let oldest = clock.now().minus(config.args.inactive_retention);
    if let Err(error) = heartbeats::catch_up(&heartbeats, tables, &leases, oldest).await {
        tracing::warn!(error = format!("{error:#}"), "when publishers were last heard may be said too early");
    }
    Ok((heartbeats, leases))
}

/// The way to subscribers, where the log is in Kafka.
pub(super) fn open_subscribers(config: &Config) -> anyhow::Result<Option<Arc<Subscribers>>> {
    let LogTarget::Kafka(log) = &config.log else { return Ok(None) };
    let opened = KafkaEvents::beside(log);
    let (events, warnings) = opened.map_err(|error| Refused::new(format!("--log {log}: {error}")))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(Some(Arc::new(Subscribers::new(events))))
}

fn open_heartbeats(config: &Config) -> anyhow::Result<Arc<dyn HeartbeatStream>> {
    match &config.log {
        LogTarget::Sqlite(log) => {
            let heartbeats = SqliteHeartbeats::open(SqliteHeartbeats::beside(log));
            Ok(Arc::new(heartbeats.map_err(|error| Refused::new(error.to_string()))?))
        }
        LogTarget::Kafka(log) => {
            let opened = KafkaHeartbeats::beside(log, config.args.heartbeat_retention);
            let (heartbeats, warnings) = opened.map_err(|error| Refused::new(format!("--log {log}: {error}")))?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            Ok(Arc::new(heartbeats))
        }
    }
}

/// Chats are in it: nobody else on the machine may read them.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn make_dir(flag: &str, dir: &Path) -> anyhow::Result<()> {
    Ok(make_private(dir).map_err(|error| Refused::io(format!("{flag}: cannot make {}", dir.display()), error))?)
}

/// Opens the work store, and has a task write it.
#[expect(clippy::disallowed_methods, reason = "`stop` waits for the task by its handle")]
pub(super) async fn open_work(
    db: &Database,
    boot: Boot,
    died: &CancellationToken,
) -> anyhow::Result<(WorkStore, Task<()>)> {
    let (work, writer) = WorkStore::open(db, boot).await.context("the work store cannot be opened")?;
    let vital = Vital::new("work store", died);
    let task = tokio::spawn(async move {
        let _vital = vital;
        writer.run().await;
    });
    Ok((work, task))
}

/// Opens the read tables, or makes them.
pub(super) async fn open_tables(db: &Database) -> anyhow::Result<Tables> {
    if let Database::Folder(dir) = db {
        make_dir("--db", dir)?;
    }
    Ok(Tables::open(db).await.map_err(|error| refused(db, &error))?)
}

fn refused(db: &Database, error: &StoreError) -> Refused {
    let way_out = match (db, error) {
        (Database::Folder(_), StoreError::Sql { transient: false, .. }) => {
            "; `mcpd-projector rebuild` makes the read tables anew"
        }
        _ => "",
    };
    Refused::new(format!("--db {db}: {error}{way_out}"))
}
