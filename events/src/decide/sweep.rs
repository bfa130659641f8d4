//! What the sweep takes: silent sessions first, then rows that were inactive for too long.
//!
//! A sweep is planned over the whole state and then decided row by row, each checked again: one bad row never stops it,
//! and what came back meanwhile stays.

use super::session::leave_rows;
use crate::{
    command::{Expire, Retention, SuspendExpiry},
    definition::{AgentDefinition, LlmDefinition},
    event::{
        Body, Event, Subject,
        registry::{ExpiryResumed, ExpirySuspended},
        row::{Cause, Deleted, Kind, RowEvent, Status, Transition},
    },
    name::Name,
    state::{Agent, Llm, Row, State, Stored},
    time::LogTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// What a sweep would delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepPlan {
    /// Agents, to be deleted first.
    pub agents: Vec<Name>,
    /// Llms that nothing holds once those agents are gone.
    pub llms: Vec<Name>,
}

/// An Llm that was inactive for long enough and stays all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// The Llm.
    pub name: Name,
    /// Who holds it.
    pub reason: String,
}

/// Virtual rows that were inactive since `cutoff` or earlier.
pub fn plan_retention(state: &State, cutoff: LogTime) -> SweepPlan {
    SweepPlan {
        agents: overdue(&state.agents, cutoff).map(|row| row.name.clone()).collect(),
        llms: overdue(&state.llms, cutoff).map(|row| row.name.clone()).collect(),
    }
}

/// Overdue Llms that are held by an agent.
pub fn retained(state: &State, cutoff: LogTime) -> Vec<Retained> {
    let held = |llm: &Arc<Llm>| holder(state, llm).map(|reason| Retained { name: llm.name.clone(), reason });
    overdue(&state.llms, cutoff).filter_map(held).collect()
}

pub(super) fn expire(state: &State, command: &Expire) -> Vec<Event> {
    let Some(session) = state.sessions.get(&command.session) else { return Vec::new() };
    let mut events = Vec::new();
    let leave = |from| Transition {
        last_heartbeat_at: Some(command.last_heartbeat_at),
        cutoff: Some(command.cutoff),
        sweep_id: Some(command.sweep_id),
        ..Transition::new(Cause::HeartbeatStale, from, Status::Inactive, Some(command.session.clone()))
    };
    leave_rows::<AgentDefinition>(state, session, &leave, &mut events);
    leave_rows::<LlmDefinition>(state, session, &leave, &mut events);
    events
}

pub(super) fn delete_agents(state: &State, command: &Retention) -> Vec<Event> {
    let rows = command.names.iter().filter_map(|name| state.agents.get(name));
    rows.filter(|row| is_overdue(row, command.cutoff)).map(|row| delete(row, Cause::Retention, command)).collect()
}

pub(super) fn delete_llm(state: &State, command: &Retention) -> Vec<Event> {
    let Some(llm) = command.names.first().and_then(|name| state.llms.get(name)) else { return Vec::new() };
    if !is_overdue(llm, command.cutoff) || holder(state, llm).is_some() {
        return Vec::new();
    }
    let agents = state.agents_of(llm.id).map(|agent| delete(agent, Cause::LlmDeleted, command));
    agents.chain([delete(llm, Cause::Retention, command)]).collect()
}

/// A suspension that ends at another time takes the place of the one before it.
pub(super) fn suspend(state: &State, command: &SuspendExpiry, log_id: Uuid) -> Vec<Event> {
    if state.expiry_suspended_until == Some(command.until) {
        return Vec::new();
    }
    vec![of_registry(
        log_id,
        Body::ExpirySuspended(ExpirySuspended {
            reason: command.reason.clone(),
            stale_sessions: command.stale_sessions,
            sessions: command.sessions,
            until: command.until,
            sweep_id: command.sweep_id,
        }),
    )]
}

pub(super) fn resume(state: &State, sweep_id: Uuid, log_id: Uuid) -> Vec<Event> {
    match state.expiry_suspended_until {
        Some(_) => vec![of_registry(log_id, Body::ExpiryResumed(ExpiryResumed { sweep_id }))],
        None => Vec::new(),
    }
}

fn of_registry(log_id: Uuid, body: Body) -> Event {
    Event { subject: Subject::Registry(log_id), body }
}

fn overdue<D>(table: &crate::state::Table<D>, cutoff: LogTime) -> impl Iterator<Item = &Arc<Row<D>>> {
    table.iter().filter(move |row| is_overdue(row, cutoff))
}

fn is_overdue<D>(row: &Row<D>, cutoff: LogTime) -> bool {
    row.kind == Kind::Virtual
        && row.status == Status::Inactive
        && row.inactive_since.is_some_and(|since| since <= cutoff)
}

/// Who keeps an overdue Llm: a public agent, or an active one of another session.
pub fn holder(state: &State, llm: &Llm) -> Option<String> {
    let reason = |agent: &Arc<Agent>| match (agent.kind, agent.status) {
        (Kind::Public, _) => Some(format!("public agent '{}' is pinned to it", agent.name)),
        (Kind::Virtual, Status::Inactive) => None,
        (Kind::Virtual, _) => Some(format!("active agent '{}' is pinned to it", agent.name)),
    };
    state.agents_of(llm.id).find_map(reason)
}

fn delete<D: Stored>(row: &Row<D>, cause: Cause, command: &Retention) -> Event {
    let data = Deleted {
        cause,
        from: row.status,
        to: None,
        id: row.id,
        inactive_since: row.inactive_since,
        last_heartbeat_at: row.last_heartbeat_at,
        cutoff: Some(command.cutoff),
        sweep_id: Some(command.sweep_id),
    };
    D::event(&row.name, RowEvent::Deleted(data))
}
