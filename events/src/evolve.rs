//! The fold: how an event changes the state. Total: every event that was ever written can be applied to any state.

use crate::{
    event::{
        Body, Event, Subject,
        document::{self, DocumentEvent},
        row::{Appeared, Cause, Deleted, RowEvent, Status, Transition, Updated},
        session::{SessionConnected, SessionDisconnected, SessionRegistered, StreamEnd},
        token::TokenIssued,
        user::{Granted, Withdrawn},
    },
    name::{Name, SessionId},
    state::{
        Connection, Document, Row, Session, State, Stored, StoredDocument, TOMBSTONE_RETENTION, Token, Tombstone,
        Touched,
    },
    time::LogTime,
};
use std::{collections::BTreeSet, sync::Arc};

/// Applies one event that was decided at `at`.
pub fn evolve(state: &mut State, at: LogTime, event: &Event) {
    state.now = state.now.max(at);
    match (&event.subject, &event.body) {
        (Subject::Llm(name), Body::Llm(event)) => row(state, at, name, event),
        (Subject::Agent(name), Body::Agent(event)) => row(state, at, name, event),
        (Subject::Project(name), Body::Project(event)) => document(state, at, name, event),
        (Subject::Personality(name), Body::Personality(event)) => document(state, at, name, event),
        (Subject::Prompt(name), Body::Prompt(event)) => document(state, at, name, event),
        (Subject::Session(id), Body::SessionRegistered(data)) => session_registered(state, at, id, data),
        (Subject::Session(id), Body::SessionConnected(data)) => session_connected(state, at, id, data),
        (Subject::Session(id), Body::SessionDisconnected(data)) => session_disconnected(state, id, data),
        (Subject::Token(name), Body::TokenIssued(data)) => token_issued(state, at, name, data),
        (Subject::User(name), Body::Granted(data)) => granted(state, at, name, data),
        (Subject::User(name), Body::Withdrawn(data)) => withdrawn(state, name, data),
        (Subject::Token(name), Body::TokenRevoked(data)) => {
            state.tokens.retain(|_, token| token.id != data.id);
            state.touch(|| Touched::Token(name.clone()));
        }
        (_, Body::ExpirySuspended(data)) => state.expiry_suspended_until = Some(data.until),
        (_, Body::ExpiryResumed(_)) => state.expiry_suspended_until = None,
        (_, Body::WriterElected(data)) => state.elected = Some(data.clone()),
        // No other pair of subject and body can be read from a log.
        _ => {}
    }
}

fn row<D: Stored>(state: &mut State, at: LogTime, name: &Name, event: &RowEvent<D>) {
    state.touch(|| D::touched(name.clone()));
    match event {
        RowEvent::Registered(data) | RowEvent::Restored(data) | RowEvent::Created(data) => {
            appeared(state, at, name, data);
        }
        RowEvent::Updated(data) => updated(state, at, name, data),
        RowEvent::Activated(data) | RowEvent::Hibernated(data) => came_back::<D>(state, at, name, data),
        RowEvent::Deactivated(data) => deactivated::<D>(state, at, name, data),
        RowEvent::Disabled(_) => set_disabled::<D>(state, name, true),
        RowEvent::Enabled(_) => set_disabled::<D>(state, name, false),
        RowEvent::Deleted(data) => deleted::<D>(state, at, name, data),
        RowEvent::WakeFailed(_) => {}
    }
}

fn appeared<D: Stored>(state: &mut State, at: LogTime, name: &Name, data: &Appeared<D>) {
    let grave = D::table(state).tombstone(name).filter(|grave| grave.id == data.id);
    let (created_at, disabled) = grave.map_or((at, false), |grave| (grave.created_at, grave.disabled));
    let before = D::table(state).get(name).map(|row| row.definition.clone());
    D::index(state, name, before.as_deref(), Some(&data.definition));
    D::table_mut(state).insert(Row {
        id: data.id,
        name: name.clone(),
        kind: data.kind,
        status: data.to,
        awake_status: data.to,
        disabled,
        session: None,
        owner: data.owner_id,
        version: data.version,
        definition: data.definition.clone(),
        last_heartbeat_at: data.session_id.is_some().then_some(at),
        inactive_since: None,
        created_at,
        updated_at: at,
    });
    if let Some(session) = &data.session_id {
        own::<D>(state, at, name, session);
    }
}

fn updated<D: Stored>(state: &mut State, at: LogTime, name: &Name, data: &Updated<D>) {
    let Some(row) = D::table_mut(state).get_mut(name) else { return };
    let before = std::mem::replace(&mut row.definition, data.definition.clone());
    let taken_over = row.kind != data.kind;
    row.kind = data.kind;
    row.version = data.version;
    row.updated_at = at;
    row.status = data.to;
    if taken_over {
        row.awake_status = data.to;
        row.inactive_since = None;
        row.last_heartbeat_at = None;
        if let Some(id) = disown::<D>(state, name) {
            forget_if_idle(state, &id);
        }
    }
    D::index(state, name, Some(&before), Some(&data.definition));
}

fn came_back<D: Stored>(state: &mut State, at: LogTime, name: &Name, data: &Transition) {
    if let Some(row) = D::table_mut(state).get_mut(name) {
        row.status = data.to;
        row.awake_status = data.to;
        row.inactive_since = None;
        row.last_heartbeat_at = Some(at);
    }
    if let Some(session) = &data.session_id {
        own::<D>(state, at, name, session);
    }
}

fn deactivated<D: Stored>(state: &mut State, at: LogTime, name: &Name, data: &Transition) {
    if let Some(row) = D::table_mut(state).get_mut(name) {
        row.status = Status::Inactive;
        row.inactive_since.get_or_insert(at);
        row.last_heartbeat_at = data.last_heartbeat_at.or(row.last_heartbeat_at);
    }
    if data.session_id.is_none() {
        disown::<D>(state, name);
    }
}

fn set_disabled<D: Stored>(state: &mut State, name: &Name, disabled: bool) {
    if let Some(row) = D::table_mut(state).get_mut(name) {
        row.disabled = disabled;
    }
}

fn deleted<D: Stored>(state: &mut State, at: LogTime, name: &Name, data: &Deleted) {
    let session = disown::<D>(state, name);
    let Some(row) = D::table_mut(state).remove(name) else { return };
    D::index(state, name, Some(&row.definition), None);
    // Only what the sweep took can be had back; what a person deleted is gone.
    if data.cause == Cause::Retention || data.cause == Cause::LlmDeleted && data.sweep_id.is_some() {
        let tombstone = Tombstone {
            id: row.id,
            owner: row.owner,
            version: row.version,
            disabled: row.disabled,
            created_at: row.created_at,
            deleted_at: at,
        };
        let cutoff = at.minus(TOMBSTONE_RETENTION);
        D::table_mut(state).bury(name.clone(), tombstone, cutoff);
    }
    if let Some(id) = session {
        forget_if_empty(state, &id);
    }
}

/// Gives the row to a session, and takes it from the one before.
fn own<D: Stored>(state: &mut State, at: LogTime, name: &Name, session: &SessionId) {
    let is_new = D::table(state).get(name).is_some_and(|row| row.session.as_ref() != Some(session));
    if is_new {
        let before = disown::<D>(state, name);
        if let Some(row) = D::table_mut(state).get_mut(name) {
            row.session = Some(session.clone());
        }
        if let Some(id) = before {
            forget_if_idle(state, &id);
        }
    }
    if let Some(session) = state.sessions.get_mut(session) {
        if is_new {
            D::owned_mut(session).insert(name.clone());
        }
        session.last_heartbeat_at = at;
    }
    state.touch(|| Touched::Session(session.clone()));
}

/// Takes the row from its session, and returns that.
fn disown<D: Stored>(state: &mut State, name: &Name) -> Option<SessionId> {
    let id = D::table_mut(state).get_mut(name)?.session.take()?;
    if let Some(session) = state.sessions.get_mut(&id) {
        D::owned_mut(session).remove(name);
    }
    state.touch(|| Touched::Session(id.clone()));
    Some(id)
}

/// A session whose last row was deleted is forgotten: its publisher gets 404 and registers again.
fn forget_if_empty(state: &mut State, id: &SessionId) {
    if state.sessions.get(id).is_some_and(|session| session.rows() == 0) {
        state.sessions.remove(id);
        state.touch(|| Touched::Session(id.clone()));
    }
}

/// A session that lost its rows to another, or to a person, and has no stream would never be heard of again.
fn forget_if_idle(state: &mut State, id: &SessionId) {
    if state.sessions.get(id).is_some_and(|session| session.connection.is_none()) {
        forget_if_empty(state, id);
    }
}

fn document<D: StoredDocument>(state: &mut State, at: LogTime, name: &Name, event: &DocumentEvent<D>) {
    state.touch(|| D::touched(name.clone()));
    let before = D::documents(state).get(name).cloned();
    let after = match event {
        DocumentEvent::Created(data) => Some(made(at, name, data)),
        DocumentEvent::Updated(data) => before.as_deref().map(|before| Document {
            version: data.version,
            definition: data.definition.clone(),
            updated_at: at,
            ..before.clone()
        }),
        DocumentEvent::Deleted(_) => None,
    };
    let definition = |document: Option<&Document<D>>| document.map(|document| document.definition.clone());
    D::index(state, name, definition(before.as_deref()).as_deref(), definition(after.as_ref()).as_deref());
    match after {
        Some(after) => D::documents_mut(state).put(Arc::new(after)),
        None => D::documents_mut(state).remove(name),
    }
}

fn made<D>(at: LogTime, name: &Name, data: &document::Created<D>) -> Document<D> {
    Document {
        id: data.id,
        name: name.clone(),
        owner: data.owner_id,
        version: data.version,
        definition: data.definition.clone(),
        created_at: at,
        updated_at: at,
    }
}

fn session_registered(state: &mut State, at: LogTime, id: &SessionId, data: &SessionRegistered) {
    if !state.sessions.contains_key(id) {
        let session = Session {
            user_id: data.user_id,
            epoch: 0,
            connection: None,
            node_lost: false,
            llms: BTreeSet::new(),
            agents: BTreeSet::new(),
            last_heartbeat_at: at,
            created_at: at,
        };
        state.sessions.insert(id.clone(), session);
    }
    state.touch(|| Touched::Session(id.clone()));
}

fn session_connected(state: &mut State, at: LogTime, id: &SessionId, data: &SessionConnected) {
    if let Some(session) = state.sessions.get_mut(id) {
        session.epoch = data.epoch;
        session.connection =
            Some(Connection { node: data.node.clone(), boot_id: data.boot_id, transport: data.transport });
        session.node_lost = false;
        session.last_heartbeat_at = at;
        state.touch(|| Touched::Session(id.clone()));
    }
}

fn session_disconnected(state: &mut State, id: &SessionId, data: &SessionDisconnected) {
    if let Some(session) = state.sessions.get_mut(id)
        && session.epoch == data.epoch
    {
        session.connection = None;
        session.node_lost = data.cause == StreamEnd::NodeLost;
        state.touch(|| Touched::Session(id.clone()));
        forget_if_empty(state, id);
    }
}

fn token_issued(state: &mut State, at: LogTime, name: &Name, data: &TokenIssued) {
    state.users.entry(data.user.clone()).or_insert(data.user_id);
    // One name, one token: a token made anew replaces the one before.
    state.tokens.retain(|_, token| token.name != *name);
    let token = Token {
        id: data.id,
        name: name.clone(),
        user_id: data.user_id,
        user: data.user.clone(),
        role: data.role,
        sha256: data.sha256,
        expires_at: data.expires_at,
        created_at: at,
    };
    if let Some(other) = state.tokens.insert(data.sha256, token) {
        // One secret, one token.
        state.touch(|| Touched::Token(other.name));
    }
    state.touch(|| Touched::Token(name.clone()));
}

fn granted(state: &mut State, at: LogTime, user: &Name, data: &Granted) {
    state.grants.entry(user.clone()).or_default().insert(data.grant.clone(), at);
    state.touch(|| Touched::Grant(user.clone(), data.grant.clone()));
}

fn withdrawn(state: &mut State, user: &Name, data: &Withdrawn) {
    if let Some(grants) = state.grants.get_mut(user) {
        grants.remove(&data.grant);
        if grants.is_empty() {
            state.grants.remove(user);
        }
    }
    state.touch(|| Touched::Grant(user.clone(), data.grant.clone()));
}
