//! From a configuration to the parts of a server.

use crate::{
    app::App,
    call::wake::Wakes,
    clock::Clock,
    cluster::{Cluster, Key, Vigil},
    config::{Config, LogTarget, ProjectorPlace},
    credentials,
    durable::Durable,
    follower::{Follower, Progress},
    heads::{self, Heads},
    heartbeats,
    in_the_end::in_the_end,
    leases::Leases,
    projecting::{Pending, Projector, Role},
    relay::{
        Relay,
        places::{Limits, Places},
    },
    routes::stream::Opens,
    snapshots::Snapshots,
    tail::Tail,
    upstream::Upstream,
    vital::Vital,
    writer::{Desk, Sweeper, WriterThread},
};
use anyhow::Context;
use mcpctl_events::{
    decide::Quotas,
    heartbeat::HeartbeatStream,
    log::{
        EventLog,
        kafka::{KafkaHeartbeats, KafkaLog, KafkaTarget},
        sqlite::{OpenError, SqliteHeartbeats, SqliteLog},
    },
    replica::Replica,
};
use mcpctl_projector::{
    Tables,
    follow::{self, FollowError},
    store::{Database, StoreError, work::WorkStore},
};
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{Arc, Mutex, RwLock},
    thread::JoinHandle,
};
use tokio::{sync::watch, task::JoinHandle as Task};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A server that cannot start as it was asked to. The message names the flag or file and the way out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    message: String,
    source: Option<std::io::Error>,
}

impl Refused {
    pub(crate) fn new(message: String) -> Self {
        Self { message, source: None }
    }

    pub(crate) fn io(message: String, source: std::io::Error) -> Self {
        Self { message, source: Some(source) }
    }
}

/// What a server is made of.
pub(super) struct Parts {
    pub app: Arc<App>,
    pub threads: Vec<JoinHandle<()>>,
    pub projector: Task<()>,
    pub work: Task<()>,
    pub last: CancellationToken,
}

#[expect(clippy::disallowed_methods, reason = "`stop` waits for the tasks by their handles")]
pub(super) async fn open(config: Config, log: Arc<dyn EventLog>, url: &str) -> anyhow::Result<Parts> {
    let clock = Clock::start();
    let db = &config.db;
    let key = config.args.cluster_key.as_deref().map(Key::read).transpose();
    let key = key.map_err(|error| Refused::new(format!("{error:#}")))?;
    let tables = open_tables(db).await?;
    let (last, died) = (CancellationToken::new(), CancellationToken::new());
    let (work, work_task) = open_work(db, &died).await?;
    fail_pending_turns(&work, clock, &last).await;
    let uses = crate::uses::Uses::load(&work).await.context("the work store cannot be read")?;
    let snapshots = Snapshots::new(&config.data_dir);
    let checkpoint = tables.checkpoint().await?;
    let snapshot = snapshots.load(&*log, checkpoint.sequence).unwrap_or_default();
    let (replica, pending) = match writes_tables(&config) {
        Writes::Always => fold(&log, &tables, snapshot).await?,
        Writes::WhileLeading | Writes::Never => (read(&log, &tables, snapshot).await?, Pending::behind()),
    };
    let start_sequence = replica.admission.last_sequence;
    snapshots.tidy(start_sequence);
    let projected = tables.checkpoint().await?.sequence;
    let stopped = replica.stopped().map(ToString::to_string);
    let heads = Heads::open(&config, &*log, &tables, &replica).await?;
    let replica = Arc::new(RwLock::new(replica));
    let desk = Arc::new(Mutex::new(desk(&config, stopped.as_deref())));
    let (heartbeats, leases) = hear(&config, clock, &tables).await?;
    let pending = Arc::new(pending);
    let advertise_url = config.args.advertise_url.clone().unwrap_or_else(|| url.to_owned());
    let (progress_sender, progress) = watch::channel(Progress { sequence: start_sequence, stopped, unreadable: None });
    let (projected_sender, projected) = watch::channel(projected);
    let relay = Arc::new(Relay::default());
    let tail = Arc::new(Tail::new(start_sequence));
    let vigil = config.log.is_shared().then(|| Arc::new(Vigil::new(clock.id())));
    let cluster = vigil
        .clone()
        .map(|vigil| Arc::new(Cluster::new(key, vigil, &advertise_url, replica.clone(), progress.clone())));
    let (writer, writer_thread) = WriterThread {
        log: log.clone(),
        replica: replica.clone(),
        desk: desk.clone(),
        leases: leases.clone(),
        clock,
        sweeper: Sweeper::new(config.args.heartbeat_timeout, config.args.inactive_retention),
        alive_at: clock.uptime(),
        vigil: vigil.clone(),
    }
    .spawn(Vital::new("writer", &died), cluster.clone())?;
    let follower = Follower {
        log: log.clone(),
        replica: replica.clone(),
        desk,
        writer: writer.clone(),
        leases: leases.clone(),
        clock,
        advertise_url: advertise_url.clone(),
        relay: relay.clone(),
        pending: pending.clone(),
        progress: progress_sender,
        tail: tail.clone(),
        vigil,
        shutdown: last.clone(),
    }
    .spawn(Vital::new("follower", &died))?;
    let vital = Vital::new("projector", &died);
    let projector = Projector {
        role: match writes_tables(&config) {
            Writes::Always => Role::Always,
            Writes::WhileLeading => Role::WhileLeading(writer.clone()),
            Writes::Never => Role::Never,
        },
        snapshots: snapshots.clone(),
        log: log.clone(),
        tables: tables.clone(),
        pending,
        projected: projected_sender,
        shutdown: last.clone(),
    };
    let projector = tokio::spawn(projector.run(vital));
    let app = Arc::new(App {
        boot_id: clock.id(),
        clock,
        cluster,
        advertise_url,
        log,
        replica,
        progress,
        projected,
        start_sequence,
        writer,
        leases,
        heartbeats,
        relay,
        places: Places::new(limits(&config)),
        wakes: Wakes::default(),
        durable: Durable::default(),
        tables,
        work,
        upstream: Upstream::default(),
        tools: crate::tools::Pool::default(),
        tail,
        past: crate::past::Past::new(snapshots),
        heads,
        walking: Arc::new(tokio::sync::Semaphore::new(1)),
        limits: crate::limits::Limits::new(&config.args),
        uses,
        stream_opens: Opens::default(),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
        failing: CancellationToken::new(),
        cut: CancellationToken::new(),
        died,
        config,
    });
    Ok(Parts { app, threads: vec![writer_thread, follower], projector, work: work_task, last })
}

#[expect(clippy::disallowed_methods, reason = "`stop` waits for the task by its handle")]
async fn open_work(db: &Database, died: &CancellationToken) -> anyhow::Result<(WorkStore, Task<()>)> {
    let (work, writer) = WorkStore::open(db).await.context("the work store cannot be opened")?;
    let vital = Vital::new("work store", died);
    let task = tokio::spawn(async move {
        let _vital = vital;
        writer.run().await;
    });
    Ok((work, task))
}

async fn open_tables(db: &Database) -> anyhow::Result<Tables> {
    if let Database::Folder(dir) = db {
        make_dir("--db", dir)?;
    }
    let refused = |error: StoreError| {
        let way_out = if error.is_retryable() { "" } else { "; `mcpd-projector rebuild` makes the read tables anew" };
        Refused::new(format!("--db {db}: {error}{way_out}"))
    };
    Ok(Tables::open(db).await.map_err(refused)?)
}

fn limits(config: &Config) -> Limits {
    Limits { per_stream: config.args.max_inflight_per_session, queue: config.args.queue_depth }
}

/// Ends the turns that an earlier process had begun. On a full disk what is there can still be read, and they are ended
/// later: those, and none that began meanwhile.
#[expect(clippy::disallowed_methods, reason = "it ends with the server's last step")]
async fn fail_pending_turns(work: &WorkStore, clock: Clock, last: &CancellationToken) {
    if work.fail_pending_turns(None).await.is_ok() {
        return;
    }
    let (work, started) = (work.clone(), clock.now());
    let attempt = move || {
        let work = work.clone();
        async move { work.fail_pending_turns(Some(started)).await.map(drop) }
    };
    tokio::spawn(in_the_end("the end of turns that were cut off", last.clone(), attempt));
}

/// Who writes the read tables.
enum Writes {
    Always,
    WhileLeading,
    Never,
}

fn writes_tables(config: &Config) -> Writes {
    match (config.args.projector, &config.db) {
        (ProjectorPlace::External, _) => Writes::Never,
        // Files are this server's alone, whoever leads.
        (ProjectorPlace::Inline, Database::Folder(_)) => Writes::Always,
        (ProjectorPlace::Inline, Database::Postgres(_)) if config.log.is_shared() => Writes::WhileLeading,
        (ProjectorPlace::Inline, Database::Postgres(_)) => Writes::Always,
    }
}

/// Brings a replica to where the log ends; the tables are others' to write.
async fn read(log: &Arc<dyn EventLog>, tables: &Tables, snapshot: Replica) -> Result<Replica, FollowError> {
    let mut replica = follow::read(log, tables, snapshot).await?;
    replica.state.track_touched();
    replica.state.take_touched();
    Ok(replica)
}

/// Brings a replica and the tables to where the log ends. Where the tables cannot be written (a full disk), what they
/// hold can still be read, and they catch up later.
async fn fold(log: &Arc<dyn EventLog>, tables: &Tables, snapshot: Replica) -> Result<(Replica, Pending), FollowError> {
    let projection = follow::start(log, tables, snapshot).await?;
    let (projection, written) = follow::advance(log, tables, projection, &CancellationToken::new()).await;
    let pending = match written {
        Ok(()) => Pending::default(),
        Err(FollowError::Store(error)) if error.is_retryable() => {
            tracing::error!(%error, "the read tables cannot be written: lists are older than the log until they can");
            Pending::behind()
        }
        Err(error) => return Err(error),
    };
    Ok((projection.into_replica(), pending))
}

/// Barred before the writer's first claim where the history cannot be folded: then it is not written to.
fn desk(config: &Config, stopped: Option<&str>) -> Desk {
    let (rows_per_session, rows_per_user) = (config.args.max_rows_per_session, config.args.max_rows_per_user);
    let mut desk = Desk::default();
    desk.quotas = Quotas { rows_per_session, rows_per_user };
    desk.is_shared = config.log.is_shared();
    if let Some(reason) = stopped {
        desk.bar(reason);
    }
    desk
}

/// Takes the log for this process alone, before anything else is opened or made.
pub(super) fn open_log(config: &Config) -> anyhow::Result<Arc<dyn EventLog>> {
    heads::check_key(config)?;
    match &config.log {
        LogTarget::Sqlite(path) => open_file(config, path),
        LogTarget::Kafka(target) => open_topic(config, target),
    }
}

/// Joins the processes that write a topic, which is made if there is none.
fn open_topic(config: &Config, target: &KafkaTarget) -> anyhow::Result<Arc<dyn EventLog>> {
    make_dir("--data-dir", &config.data_dir)?;
    let (log, warnings) = KafkaLog::open(target).map_err(|error| Refused::new(format!("--log {target}: {error}")))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(Arc::new(log))
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
async fn hear(
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
