//! Connections that are kept for the next turn.

use super::{connection::Connection, group::Groups};
use crate::upstream::Upstream;
use mcpctl_events::definition::document::McpServer;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Time after which a connection that nobody uses is closed.
const IDLE: Duration = Duration::from_mins(5);
/// Time within which a server that could not be reached is not tried again.
const SULK: Duration = Duration::from_secs(30);
/// Most connections at once.
const MAX_CONNECTIONS: usize = 256;

/// A server, for a user. Another definition is another server.
type Key = (Uuid, McpServer);

/// All connections.
#[derive(Default)]
pub struct Pool {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    groups: Groups,
}

struct Slot {
    /// Held while connecting, so that all who come meanwhile share one connection.
    state: tokio::sync::Mutex<State>,
    used: Mutex<Instant>,
}

enum State {
    Closed,
    Open(Arc<Connection>),
    Failed(Instant, String),
}

impl Pool {
    /// The connection of a user to a server, and whether it was kept from before.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    pub async fn connection(
        &self,
        user: Uuid,
        server: &McpServer,
        upstream: &Upstream,
    ) -> Result<(Arc<Connection>, bool), String> {
        let slot = self.slot((user, server.clone()))?;
        let mut state = slot.state.lock().await;
        match &*state {
            State::Open(connection) if connection.is_open() => return Ok((connection.clone(), true)),
            State::Failed(at, reason) if at.elapsed() < SULK => return Err(reason.clone()),
            _ => {}
        }
        // Cancelled in here, the slot is as it was.
        match Connection::open(server, upstream, &self.groups).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *state = State::Open(connection.clone());
                Ok((connection, false))
            }
            Err(reason) => {
                *state = failed(server, reason.clone());
                Err(reason)
            }
        }
    }

    /// Does not give this connection away again; with a reason, nor makes another one for a while.
    pub async fn failed(&self, user: Uuid, server: &McpServer, connection: &Arc<Connection>, reason: Option<String>) {
        let Some(slot) = self.slots().get(&(user, server.clone())).cloned() else { return };
        let mut state = slot.state.lock().await;
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(open, connection)) {
            *state = reason.map_or(State::Closed, |reason| failed(server, reason));
        }
    }

    /// Closes what nobody has used for a while.
    pub fn close_idle(&self) {
        self.slots().retain(|_, slot| slot.is_used() || slot.idle() < IDLE);
    }

    /// Closes everything, and waits for the end of what was started.
    pub async fn close(&self) {
        self.slots().clear();
        self.groups.end().await;
    }

    fn slot(&self, key: Key) -> Result<Arc<Slot>, String> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&key) {
            *slot.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return Ok(slot.clone());
        }
        if slots.len() >= MAX_CONNECTIONS {
            let idle = slots.iter().filter(|(_, slot)| !slot.is_used()).max_by_key(|(_, slot)| slot.idle());
            let idle = idle.map(|(key, _)| key.clone());
            let idle = idle.ok_or_else(|| format!("all {MAX_CONNECTIONS} connections to MCP servers are in use"))?;
            slots.remove(&idle);
        }
        let slot = Arc::new(Slot { state: tokio::sync::Mutex::new(State::Closed), used: Mutex::new(Instant::now()) });
        slots.insert(key, slot.clone());
        Ok(slot)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(server: &McpServer, reason: String) -> State {
    tracing::warn!(mcp.server = %server.name, reason, "an MCP server cannot be asked: its tools are not offered");
    State::Failed(Instant::now(), reason)
}

impl Slot {
    /// Whether somebody connects, or has the connection.
    fn is_used(self: &Arc<Self>) -> bool {
        let connected = |state: &State| matches!(state, State::Open(connection) if Arc::strong_count(connection) > 1);
        Arc::strong_count(self) > 1 || self.state.try_lock().is_ok_and(|state| connected(&state))
    }

    fn idle(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
