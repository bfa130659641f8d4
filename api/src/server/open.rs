//! From a configuration to the parts of a server.

use super::stores::{hear, open_subscribers, open_tables, open_work};
use crate::{
    app::App,
    call::wake::Wakes,
    clock::Clock,
    cluster::{Cluster, Key, Vigil},
    config::{Config, ProjectorPlace},
    durable::Durable,
    follower::{Follower, Progress},
    heads::Heads,
    lost,
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
    writer::{Desk, Sweeper, Writer, WriterThread},
};
use anyhow::Context;
use mcpctl_events::{decide::Quotas, log::EventLog, replica::Replica};
use mcpctl_projector::{
    Tables,
    follow::{self, FollowError},
    store::{Database, work::Boot},
};
use std::{
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
    let tables = open_tables(&config.db).await?;
    let (last, died) = (CancellationToken::new(), CancellationToken::new());
    let advertise_url = config.args.advertise_url.clone().unwrap_or_else(|| url.to_owned());
    let boot_id = clock.id();
    let (work, work_task) = open_work(&config.db, Boot { id: boot_id, node: advertise_url.clone() }, &died).await?;
    lost::end(&work, clock, &config, &last).await;
    let uses = crate::uses::Uses::load(&work).await.context("the work store cannot be read")?;
    let snapshots = Snapshots::new(&config.data_dir);
    let (replica, pending) = load(&config, &log, &tables, &snapshots).await?;
    let start_sequence = replica.admission.last_sequence;
    let (projected_sender, projected) = watch::channel(tables.checkpoint().await?.sequence);
    let stopped = replica.stopped().map(ToString::to_string);
    let heads = Heads::open(&config, &*log, &tables, &replica).await?;
    let (replica, desk) = (Arc::new(RwLock::new(replica)), Arc::new(Mutex::new(desk(&config, stopped.as_deref()))));
    let (heartbeats, leases) = hear(&config, clock, &tables).await?;
    let (progress_sender, progress) = watch::channel(Progress { sequence: start_sequence, stopped, unreadable: None });
    let (relay, tail) = (Arc::new(Relay::default()), Arc::new(Tail::new(start_sequence)));
    let subscribers = open_subscribers(&config)?;
    let cluster = cluster(&config, clock, &advertise_url, &replica, &progress)?;
    let vigil = cluster.as_ref().map(|cluster| cluster.vigil.clone());
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
        subscribers: subscribers.clone(),
        vigil,
        shutdown: last.clone(),
        unreadable_told: std::cell::Cell::default(),
    }
    .spawn(Vital::new("follower", &died))?;
    let projector = Projector {
        role: role(&config, &writer),
        snapshots: snapshots.clone(),
        log: log.clone(),
        tables: tables.clone(),
        pending,
        projected: projected_sender,
        shutdown: last.clone(),
    };
    let projector = tokio::spawn(projector.run(Vital::new("projector", &died)));
    let app = Arc::new(App {
        boot_id,
        clock,
        cluster,
        subscribers,
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
        stage: crate::rehearsal::Stage::default(),
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

fn limits(config: &Config) -> Limits {
    Limits { per_stream: config.args.max_inflight_per_session, queue: config.args.queue_depth }
}

/// Brings a replica to where the log ends, and the tables too where they are this process's own.
async fn load(
    config: &Config,
    log: &Arc<dyn EventLog>,
    tables: &Tables,
    snapshots: &Snapshots,
) -> anyhow::Result<(Replica, Arc<Pending>)> {
    let checkpoint = tables.checkpoint().await?;
    let snapshot = snapshots.load(&**log, checkpoint.sequence).unwrap_or_default();
    let refused = |error| match error {
        FollowError::Mismatch(mismatch) => Refused::new(format!("--db {}: {mismatch}", config.db)).into(),
        error => anyhow::Error::from(error),
    };
    let (replica, pending) = if writes_tables_alone(config) {
        fold(log, tables, snapshot).await.map_err(refused)?
    } else {
        (read(log, tables, snapshot).await.map_err(refused)?, Pending::behind())
    };
    snapshots.tidy(replica.admission.last_sequence);
    Ok((replica, Arc::new(pending)))
}

/// Whether nobody else writes the read tables: files are this server's own, whoever leads.
fn writes_tables_alone(config: &Config) -> bool {
    let is_own = matches!(config.db, Database::Folder(_)) || !config.log.is_shared();
    config.args.projector == ProjectorPlace::Inline && is_own
}

fn role(config: &Config, writer: &Writer) -> Role {
    match config.args.projector {
        ProjectorPlace::External => Role::Never,
        ProjectorPlace::Inline if writes_tables_alone(config) => Role::Always,
        ProjectorPlace::Inline => Role::WhileLeading(writer.clone()),
    }
}

/// The way to the other replicas, if there may be some.
fn cluster(
    config: &Config,
    clock: Clock,
    own_url: &str,
    replica: &Arc<RwLock<Replica>>,
    progress: &watch::Receiver<Progress>,
) -> anyhow::Result<Option<Arc<Cluster>>> {
    let key = config.args.cluster_key.as_deref().map(Key::read).transpose();
    let key = key.map_err(|error| Refused::new(format!("{error:#}")))?;
    if !config.log.is_shared() {
        return Ok(None);
    }
    let vigil = Arc::new(Vigil::new(clock.id()));
    Ok(Some(Arc::new(Cluster::new(key, vigil, own_url, replica.clone(), progress.clone()))))
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
