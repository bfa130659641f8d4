//! Which replicas are there, as the one that leads sees them; and what becomes of the streams of one that is gone.

use crate::{app::App, writer::WriteError};
use futures_util::{StreamExt, stream};
use mcpctl_events::{
    command::{CloseBoots, Command, Deactivate, Disconnect},
    event::{row::Cause, session::StreamEnd},
    name::SessionId,
    state::{Session, State},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// How often replicas say that they are there, and the one that leads looks which of them do not.
const EVERY: Duration = Duration::from_secs(1);
/// Silence after which a replica is gone; and how long a publisher has to reconnect after its server came back.
const GONE: Duration = Duration::from_secs(10);
/// Whoever leads looks far more often than this; if it did not, it had no time to hear anybody.
const STOOD_STILL: Duration = Duration::from_secs(5);
/// Earlier starts of a server that are remembered.
const STARTS: usize = 8;
/// Sessions that are deactivated at once.
const AT_ONCE: usize = 64;

/// A replica says that it is there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// Its URL.
    pub node: String,
    /// This start of it.
    pub boot_id: Uuid,
    /// Sessions that it heard since its last ping.
    pub heard: BTreeSet<SessionId>,
}

/// What was heard of the replicas. Times are uptimes of this process.
#[derive(Debug, Default)]
pub struct Nodes(Mutex<HashMap<String, Heard>>);

/// When a replica was last heard.
#[derive(Debug)]
struct Heard {
    boot: Uuid,
    at: Duration,
    /// The starts before this one, the newest last.
    before: Vec<Uuid>,
    /// Whether it was said that two servers have this URL.
    is_told: bool,
}

impl Nodes {
    /// One was heard.
    pub fn heard(&self, node: &str, boot: Uuid, now: Duration) {
        if self.finds_two(node, boot, now) {
            tracing::error!(
                node,
                "two servers have this --advertise-url: their publishers' streams end again and again"
            );
        }
    }

    /// Takes note of one; whether it has to be said, once, that there are two of this URL.
    fn finds_two(&self, node: &str, boot: Uuid, now: Duration) -> bool {
        let mut nodes = self.lock();
        nodes.retain(|_, heard| now.saturating_sub(heard.at) < GONE);
        let known = nodes.entry(node.to_owned()).or_insert(Heard { boot, at: now, before: Vec::new(), is_told: false });
        known.at = now;
        if known.boot == boot {
            return false;
        }
        // A start that was followed by another one is over, unless both are there.
        let (is_back, is_told) = (known.before.contains(&boot), known.is_told);
        known.is_told |= is_back;
        known.before.push(std::mem::replace(&mut known.boot, boot));
        known.before.drain(..known.before.len().saturating_sub(STARTS));
        is_back && !is_told
    }

    /// The URLs of those that were heard lately.
    pub fn urls(&self, now: Duration) -> Vec<String> {
        let nodes = self.lock();
        let living = nodes.iter().filter(|(_, heard)| now.saturating_sub(heard.at) < GONE);
        living.map(|(node, _)| node.clone()).collect()
    }

    /// The start of a node that was heard lately.
    fn living(&self, node: &str, now: Duration) -> Option<Uuid> {
        self.lock().get(node).filter(|heard| now.saturating_sub(heard.at) < GONE).map(|heard| heard.boot)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pings the replica that leads, or looks after the others if this one does; until it is dropped.
pub async fn look_after(app: Arc<App>) {
    let (mut heard_until, mut watch) = (Duration::ZERO, None::<Watch>);
    let mut namesake = Namesake::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(cluster) = &app.cluster else { return };
        let now = app.clock.uptime();
        // What the log says of one that is silent may be of this process itself.
        let is_another = app.writer.term().is_none() && cluster.leads_here() && cluster.vigil.hears(now);
        if namesake.look(is_another, now) {
            let url = &app.advertise_url;
            tracing::error!(
                url,
                "another server leads, and has the --advertise-url of this one: nothing can be handed to it"
            );
        }
        if let Some(term) = app.writer.term() {
            let watch = watch.get_or_insert_with(|| Watch::begin(term, now));
            // Who stood still has heard nobody meanwhile.
            if watch.term != term || now.saturating_sub(watch.looked_at) > STOOD_STILL {
                *watch = Watch::begin(term, now);
            }
            watch.looked_at = now;
            if let Err(error) = watch.look(&app, &cluster.nodes, now).await {
                tracing::debug!(%error, "streams of replicas that are gone are closed later");
            }
            heard_until = now;
        } else if let Some(leader) = cluster.leader() {
            watch = None;
            let heard = app.leases.heard_since(heard_until).into_iter().map(|(session, _)| session).collect();
            let ping = Ping { node: app.advertise_url.clone(), boot_id: app.boot_id, heard };
            match cluster.ping(&leader, &ping).await {
                Ok(()) => heard_until = now,
                Err(reason) => tracing::debug!(reason, "the replica that leads was not told that this one is there"),
            }
        }
    }
}

/// Ends streams that the log has here, and that are not: what became of their opening was not known at the time. Until it
/// is dropped; apart from the pings, which wait for nobody.
pub async fn end_unbound(app: Arc<App>) {
    let mut unbound = BTreeMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = app.clock.uptime();
        let missing = unbound_now(&app);
        unbound.retain(|stream, _| missing.contains(stream));
        for stream in missing {
            unbound.entry(stream).or_insert(now);
        }
        let due = unbound.iter().filter(|(_, since)| now.saturating_sub(**since) >= GONE);
        let due: Vec<_> = due.map(|(stream, _)| stream.clone()).collect();
        stream::iter(due).for_each_concurrent(AT_ONCE, |stream| end_one(&app, stream)).await;
    }
}

fn unbound_now(app: &App) -> BTreeSet<(SessionId, u64)> {
    let held = app.look(|state| held(state, &app.advertise_url, app.boot_id));
    held.into_iter().filter(|(session, _)| app.relay.bound(session).is_none()).collect()
}

async fn end_one(app: &App, (session, epoch): (SessionId, u64)) {
    // It may have come back while others were ended.
    if app.relay.bound(&session).is_some() {
        return;
    }
    let disconnect = Disconnect { session: session.clone(), epoch, cause: StreamEnd::Closed };
    let deactivate = Deactivate { session, epoch, cause: Cause::Disconnected, last_heartbeat_at: None };
    for command in [Command::Disconnect(disconnect), Command::Deactivate(deactivate)] {
        if let Err(error) = app.writer.write_all(command, "relay").await {
            tracing::debug!(%error, "a stream that is not there is ended later");
            return;
        }
    }
}

/// Since when the one that leads is reached at this replica's own URL, though it is not this one. For a while it is the
/// start of this replica before this one.
#[derive(Default)]
struct Namesake {
    since: Option<Duration>,
    is_told: bool,
}

impl Namesake {
    /// Whether that has to be said by now, once.
    fn look(&mut self, is_there: bool, now: Duration) -> bool {
        if !is_there {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_sub(since) >= 2 * GONE && !std::mem::replace(&mut self.is_told, true)
    }
}

/// What the replica that leads knows of streams that are gone.
struct Watch {
    term: u64,
    /// Nobody was heard here before.
    since: Duration,
    looked_at: Duration,
    /// Streams that ended with their server process, and when that was noticed.
    lost: BTreeMap<(SessionId, u64), Duration>,
}

impl Watch {
    fn begin(term: u64, since: Duration) -> Self {
        Self { term, since, looked_at: since, lost: BTreeMap::new() }
    }

    async fn look(&mut self, app: &App, nodes: &Nodes, now: Duration) -> Result<(), WriteError> {
        if now.saturating_sub(self.since) >= GONE {
            self.close_gone(app, nodes, now).await?;
        }
        let lost = app.look(lost);
        self.lost.retain(|stream, _| lost.contains(stream));
        for stream in lost {
            self.lost.entry(stream).or_insert(now);
        }
        let due = self.lost.iter().filter(|(_, since)| now.saturating_sub(**since) >= GONE);
        deactivate(app, due.map(|(stream, _)| stream.clone()).collect()).await
    }

    /// Closes the streams of replicas that are gone. Their publishers had the time to come back that it took to notice.
    async fn close_gone(&mut self, app: &App, nodes: &Nodes, now: Duration) -> Result<(), WriteError> {
        let bound: BTreeSet<_> = app.look(|state| {
            let connections = state.sessions.iter().filter_map(|(_, session)| session.connection.as_ref());
            connections.map(|bound| (bound.node.clone(), bound.boot_id)).collect()
        });
        for (node, boot) in bound {
            let living = if node == app.advertise_url { Some(app.boot_id) } else { nodes.living(&node, now) };
            if living == Some(boot) {
                continue;
            }
            tracing::warn!(%node, "a replica is gone: its streams are closed");
            let held = app.look(|state| held(state, &node, boot));
            let close = CloseBoots { node: Some(node), living_boot: living.unwrap_or_default() };
            app.writer.write_all_here(Command::CloseBoots(close), "nodes").await?;
            let noticed = now.saturating_sub(GONE);
            self.lost.extend(held.into_iter().map(|stream| (stream, noticed)));
        }
        Ok(())
    }
}

fn held(state: &State, node: &str, boot: Uuid) -> Vec<(SessionId, u64)> {
    let is_held = |session: &Session| {
        session.connection.as_ref().is_some_and(|bound| bound.node == node && bound.boot_id == boot)
    };
    let held = state.sessions.iter().filter(|(_, session)| is_held(session));
    held.map(|(id, session)| (id.clone(), session.epoch)).collect()
}

/// Streams that ended with their server process, and whose rows wait for their publisher.
fn lost(state: &State) -> BTreeSet<(SessionId, u64)> {
    let lost = state.sessions.iter().filter(|(_, session)| session.node_lost && state.has_live_rows(session));
    lost.map(|(id, session)| (id.clone(), session.epoch)).collect()
}

async fn deactivate(app: &App, streams: Vec<(SessionId, u64)>) -> Result<(), WriteError> {
    let each = stream::iter(streams).map(|(session, epoch)| async move {
        let last_heartbeat_at = app.leases.get(&session).map(|lease| lease.heard_at());
        let command = Deactivate { session, epoch, cause: Cause::NodeLost, last_heartbeat_at };
        app.writer.write_all_here(Command::Deactivate(command), "nodes").await
    });
    let mut done = each.buffer_unordered(AT_ONCE);
    while let Some(done) = done.next().await {
        done?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://node-1:8420";

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn two_servers_of_one_url_are_told_once_and_a_start_after_another_is_not() {
        let (nodes, [first, second, third]) = (Nodes::default(), [1, 2, 3].map(Uuid::from_u128));
        for (seconds, boot) in [first, first, second, second, third].into_iter().enumerate() {
            assert!(!nodes.finds_two(URL, boot, at(seconds as u64)), "{seconds}");
        }
        assert!(!nodes.finds_two("http://node-2:8420", first, at(5)));
        assert!(nodes.finds_two(URL, second, at(5)), "it was followed, and is there");
        assert!(!nodes.finds_two(URL, third, at(5)), "that was told");
        assert!(!nodes.finds_two(URL, second, at(6)));
    }

    #[test]
    fn a_leader_of_ones_own_url_is_told_once_if_it_stays() {
        let mut namesake = Namesake::default();
        let gone = 2 * GONE.as_secs();
        for seconds in [0, 1, gone - 1] {
            assert!(!namesake.look(true, at(seconds)), "it may be the start before this one");
        }
        assert!(!namesake.look(false, at(gone)));
        assert!(!namesake.look(true, at(gone + 1)), "it was away");
        assert!(namesake.look(true, at(2 * gone + 1)));
        assert!(!namesake.look(true, at(2 * gone + 2)), "that was told");
    }
}
