//! What every request handler works with.

use crate::{
    call::wake::Wakes,
    clock::Clock,
    cluster::Cluster,
    config::Config,
    durable::Durable,
    follower::Progress,
    leases::Leases,
    relay::{
        Relay,
        places::{Elsewhere, Places},
    },
    upstream::Upstream,
    writer::Writer,
};
use mcpctl_events::{
    heartbeat::HeartbeatStream,
    log::EventLog,
    name::SessionId,
    replica::Replica,
    state::{Connection, State},
};
use mcpctl_projector::{Tables, store::work::WorkStore};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// The parts of a running server.
pub struct App {
    /// Flags and paths.
    pub config: Config,
    /// Clock and ids.
    pub clock: Clock,
    /// The other replicas, if the log is one that others write too.
    pub cluster: Option<Arc<Cluster>>,
    /// Those who subscribe to events, if there is a way to them.
    pub subscribers: Option<Arc<crate::subscribers::Subscribers>>,
    /// Under which URL others reach this process.
    pub advertise_url: String,
    /// This start of the process.
    pub boot_id: Uuid,
    /// The log, for reading.
    pub log: Arc<dyn EventLog>,
    /// The fold of the log.
    pub replica: Arc<RwLock<Replica>>,
    /// How far the fold is.
    pub progress: watch::Receiver<Progress>,
    /// The registry as it was, where somebody asked.
    pub past: crate::past::Past,
    /// Verifications and rebuilds, one at a time.
    pub walking: Arc<tokio::sync::Semaphore>,
    /// Whose turn it is to try what would happen.
    pub stage: crate::rehearsal::Stage,
    /// Signs where the log ends, if there is a key.
    pub heads: Option<crate::heads::Heads>,
    /// The newest events, for those who follow.
    pub tail: Arc<crate::tail::Tail>,
    /// How far the read tables are.
    pub projected: watch::Receiver<u64>,
    /// Where the log stood at the start: ready once the tables hold it.
    pub start_sequence: u64,
    /// The only way to change anything.
    pub writer: Writer,
    /// What was heard, for later.
    pub heartbeats: Arc<dyn HeartbeatStream>,
    /// When sessions were heard.
    pub leases: Arc<Leases>,
    /// Streams and calls.
    pub relay: Arc<Relay>,
    /// Who may be called now.
    pub places: Arc<Places>,
    /// Wakes under way.
    pub wakes: Wakes,
    /// Inference tasks under way.
    pub durable: Durable,
    /// The read tables.
    pub tables: Tables,
    /// Threads and messages.
    pub work: WorkStore,
    /// For public Llms and MCP servers.
    pub upstream: Upstream,
    /// Connections to MCP servers.
    pub tools: crate::tools::Pool,
    /// What there may be at most, and how near that is.
    pub limits: crate::limits::Limits,
    /// When tokens were last used.
    pub uses: crate::uses::Uses,
    /// How often each session opened a stream.
    pub stream_opens: crate::routes::stream::Opens,
    /// Every task that a request leaves behind.
    pub tasks: TaskTracker,
    /// Cancelled when the server begins to stop.
    pub stopping: CancellationToken,
    /// Cancelled when calls that are still under way fail, because the server stops.
    pub failing: CancellationToken,
    /// Cancelled when connections that are still open are cut.
    pub cut: CancellationToken,
    /// Cancelled when a vital part died.
    pub died: CancellationToken,
}

impl App {
    /// Looks at the registry; don't hold the guard across an await.
    pub fn replica(&self) -> RwLockReadGuard<'_, Replica> {
        self.replica.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a while until the log was read up to a sequence that another replica may know already.
    pub async fn reaches(&self, sequence: u64) {
        if let Some(cluster) = &self.cluster {
            cluster.reaches(sequence).await;
        }
    }

    /// The replica that holds a session's stream, if it is another one, and can be asked.
    pub fn elsewhere(&self, state: &State, session: &SessionId) -> Option<Elsewhere> {
        let cluster = self.cluster.as_ref().filter(|cluster| cluster.key.is_some())?;
        let session = state.sessions.get(session)?;
        let bound = session.connection.as_ref().filter(|bound| !cluster.is_own(&bound.node))?;
        Some(Elsewhere { node: bound.node.clone(), epoch: session.epoch })
    }

    /// Whether the log knows a server of this URL: it leads or led last, or holds a stream.
    pub fn is_known(&self, node: &str) -> bool {
        self.look(|state| {
            let elected = state.elected.as_ref().is_some_and(|elected| elected.advertise_url == node);
            let mut bound = state.sessions.iter().filter_map(|(_, session)| session.connection.as_ref());
            elected || bound.any(|bound| bound.node == node)
        })
    }

    /// Whether the stream of a connection is there: here, or on another replica, which would be missed by the one that
    /// leads.
    pub fn holds(&self, session: &SessionId, connection: &Connection) -> bool {
        match &self.cluster {
            Some(cluster) if !cluster.is_own(&connection.node) => true,
            _ => connection.boot_id == self.boot_id && self.relay.bound(session).is_some(),
        }
    }

    /// Takes something out of the registry.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.replica().state)
    }
}
