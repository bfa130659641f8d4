//! The other replicas of one log: who leads, and how it is asked.
//!
//! Any number of servers read one log; the one that leads appends to it. The others hand their writes to it over HTTP,
//! once and no further, and tell it each second that they are there and whom they heard.

mod key;
mod nodes;
pub mod proxy;
pub mod relayed;
mod vigil;
mod watch;

pub use key::{KEY_HEADER, Key};
pub use nodes::{Nodes, Ping};
pub use vigil::Vigil;

use crate::{
    follower::Progress,
    upstream::{Upstream, reason},
    writer::{Answer, SweepReport, WriteError},
};
use mcpctl_events::{
    command::Command,
    name::SessionId,
    record::{Actor, Idempotency},
    replica::Replica,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::watch::Receiver, time::timeout};
use uuid::Uuid;

pub(crate) use nodes::{end_unbound, look_after};
#[cfg(test)]
pub(crate) use watch::is_of_the_leader;
pub(crate) use watch::watch;

/// How long the replica that leads may take for a change, and this one to see it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where writes are handed over.
pub const WRITE: &str = "/internal/v1/write";
/// Where a sweep is asked for.
pub const SWEEP: &str = "/internal/v1/sweep";
/// Where replicas say that they are there.
pub const PING: &str = "/internal/v1/ping";
/// Where the replica that leads says which others are there.
pub const NODES: &str = "/internal/v1/nodes";

/// A command on its way to the replica that leads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// What is to be done.
    pub command: Command,
    /// Who asked.
    pub actor: Actor,
    /// The client's key, if it sent one.
    pub idempotency: Option<Idempotency>,
}

/// What a replica knows of the others.
pub struct Cluster {
    /// The secret that they share, if there is one.
    pub key: Option<Key>,
    /// When this one may ask for the next term.
    pub vigil: Arc<Vigil>,
    /// Which of them are there.
    pub nodes: Nodes,
    own_url: String,
    replica: Arc<RwLock<Replica>>,
    progress: Receiver<Progress>,
    client: Upstream,
}

/// Why another replica gave no answer.
enum NoAnswer {
    /// It did nothing.
    NotAsked(String),
    /// It may have done what it was asked.
    Unknown(String),
}

impl From<NoAnswer> for WriteError {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::NotAsked(reason) => Self::NoWriter(reason),
            NoAnswer::Unknown(reason) => {
                tracing::warn!(reason, "a change was handed over, and its outcome is not known");
                Self::OutcomeUnknown
            }
        }
    }
}

impl Cluster {
    /// The cluster of a replica that is reached at `own_url`.
    pub fn new(
        key: Option<Key>,
        vigil: Arc<Vigil>,
        own_url: &str,
        replica: Arc<RwLock<Replica>>,
        progress: Receiver<Progress>,
    ) -> Self {
        let own_url = own_url.trim_end_matches('/').to_owned();
        Self { key, vigil, nodes: Nodes::default(), own_url, replica, progress, client: Upstream::default() }
    }

    /// Whether a URL is this replica's own.
    pub fn is_own(&self, url: &str) -> bool {
        url.trim_end_matches('/') == self.own_url
    }

    /// Where the replica is that leads, as far as the log was read; `None` if nobody does, or it is this one.
    pub fn leader(&self) -> Option<String> {
        let replica = self.replica.read().unwrap_or_else(PoisonError::into_inner);
        let elected = replica.state.elected.as_ref()?;
        let leads = replica.admission.holder == Some(elected.writer);
        let url = elected.advertise_url.trim_end_matches('/');
        (leads && !self.is_own(url)).then(|| url.to_owned())
    }

    /// Whether the one that leads, as far as the log was read, is reached where this replica is.
    pub fn leads_here(&self) -> bool {
        let replica = self.replica.read().unwrap_or_else(PoisonError::into_inner);
        let elected = replica.state.elected.as_ref();
        elected.is_some_and(|it| replica.admission.holder == Some(it.writer) && self.is_own(&it.advertise_url))
    }

    /// Waits until another replica is known to lead.
    pub async fn another_leads(&self) {
        let mut progress = self.progress.clone();
        while self.leader().is_none() && progress.changed().await.is_ok() {}
    }

    /// How many Llms and agents a session of this user has, if all of them are live.
    pub fn live_rows(&self, session: &SessionId, user: Uuid) -> Option<(usize, usize)> {
        let replica = self.replica.read().unwrap_or_else(PoisonError::into_inner);
        replica.state.live_rows(session, user)
    }

    /// Has the replica at `leader` do a command, and waits until this one has read it.
    pub async fn write(&self, leader: &str, asked: &Asked) -> Answer {
        let done: Answer = self.ask(leader, WRITE, asked).await?;
        if let Ok(done) = &done {
            self.reaches(done.sequence).await;
        }
        done
    }

    /// Has the replica at `leader` sweep, and waits until this one has read what that did.
    pub async fn sweep(&self, leader: &str) -> Result<SweepReport, WriteError> {
        let (report, sequence) = self.ask::<Result<_, WriteError>>(leader, SWEEP, &()).await??;
        self.reaches(sequence).await;
        Ok(report)
    }

    /// Tells the replica at `leader` that this one is there, and whom it heard.
    pub async fn ping(&self, leader: &str, ping: &Ping) -> Result<(), String> {
        self.ask(leader, PING, ping).await.map_err(|error| match error {
            NoAnswer::NotAsked(reason) | NoAnswer::Unknown(reason) => reason,
        })
    }

    /// The URLs of the replicas that the one at `leader` hears of, if it says so.
    pub async fn nodes_of(&self, leader: &str) -> Option<Vec<String>> {
        self.ask(leader, NODES, &()).await.ok()
    }

    /// Waits until the log was read up to `sequence`, for a while.
    pub async fn reaches(&self, sequence: u64) {
        let mut progress = self.progress.clone();
        let _ = timeout(PATIENCE, progress.wait_for(|progress| progress.sequence >= sequence)).await;
    }

    async fn ask<T: DeserializeOwned>(&self, url: &str, path: &str, body: &impl Serialize) -> Result<T, NoAnswer> {
        let Some(key) = &self.key else {
            let reason = format!("the replica at {url} leads, and without --cluster-key nothing is handed to it");
            return Err(NoAnswer::NotAsked(reason));
        };
        let client = self.client.client().await.map_err(|error| NoAnswer::NotAsked(format!("{error:#}")))?;
        let request = client.post(format!("{url}{path}")).header(KEY_HEADER, key.as_header()).json(body);
        let response = request.timeout(PATIENCE).send().await.map_err(|error| {
            let why = format!("the replica at {url}, which leads, does not answer: {}", reason(&error));
            if error.is_connect() || error.is_builder() { NoAnswer::NotAsked(why) } else { NoAnswer::Unknown(why) }
        })?;
        let status = response.status();
        if status == reqwest::StatusCode::FORBIDDEN {
            let why = format!("the replica at {url}, which leads, has another --cluster-key, or none");
            return Err(NoAnswer::NotAsked(why));
        }
        if status.is_client_error() {
            let body = response.text().await.unwrap_or_default();
            return Err(NoAnswer::NotAsked(format!("the replica at {url}, which leads, answers {status}: {body}")));
        }
        let unknown = |error: reqwest::Error| {
            NoAnswer::Unknown(format!("the replica at {url}, which leads, answers {status}: {}", reason(&error)))
        };
        response.error_for_status().map_err(unknown)?.json().await.map_err(unknown)
    }
}
