//! `GET /api/v1/sessions`: publishers, and what they are busy with.

use super::written::set_sequence;
use crate::{app::App, error::ApiError};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    event::session::Transport,
    name::SessionId,
    state::{Session as Stored, State as Registry},
    wire::{
        SEQUENCE_HEADER,
        error::ErrorBody,
        sessions::{QueuedCall, Session},
    },
};
use std::{sync::Arc, time::Duration};

/// Lists publishers, by the id of their session.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "listSessions", tag = "publishing",
    responses((status = 200, body = Vec<Session>), (status = "default", body = ErrorBody)))]
pub async fn index(State(app): State<Arc<App>>) -> Response {
    let (sessions, sequence) = {
        let replica = app.replica();
        let state = &replica.state;
        let all: Vec<_> = state.sessions.iter().map(|(id, session)| present(&app, state, id, session)).collect();
        (all, replica.admission.last_sequence)
    };
    let mut response = Json(sessions).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, sequence);
    response
}

/// Reads one.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", operation_id = "getSession", tag = "publishing", params(("id" = String, Path)),
    responses((status = 200, body = Session), (status = "default", body = ErrorBody)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Session>, ApiError> {
    let found = SessionId::parse(&id)
        .ok()
        .and_then(|id| app.look(|state| Some(present(&app, state, &id, state.sessions.get(&id)?))));
    Ok(Json(found.ok_or_else(|| ApiError::not_found(format!("session not found: {}", id.escape_default())))?))
}

fn present(app: &App, state: &Registry, id: &SessionId, session: &Stored) -> Session {
    let bound = app.relay.bound(id);
    let queue = app.places.waiting_for(id);
    let user = state.users.iter().find(|(_, user)| **user == session.user_id).map(|(name, _)| name.to_string());
    let heard = app.leases.get(id).map(|lease| lease.heard_at()).max(Some(session.last_heartbeat_at));
    let names = |names: &mut dyn Iterator<Item = String>| names.collect();
    Session {
        id: id.to_string(),
        user,
        epoch: session.epoch,
        connected: bound.is_some(),
        transport: bound.as_ref().map(|bound| transport(bound.transport).to_owned()),
        node: session.connection.as_ref().map(|connection| connection.node.clone()),
        last_heartbeat_at: heard.map(|heard| heard.to_string()),
        llms: names(&mut session.llms.iter().map(ToString::to_string)),
        agents: names(&mut session.agents.iter().map(ToString::to_string)),
        open_calls: bound.map_or(0, |bound| bound.open_calls() as u64),
        queued_calls: queue.length as u64,
        queue: (1..).zip(&queue.first).map(|(position, call)| queued(position, call)).collect(),
        created_at: session.created_at.to_string(),
    }
}

fn queued(position: u64, (model, waited): &(String, Duration)) -> QueuedCall {
    QueuedCall { position, model: model.clone(), waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Sse => "sse",
        Transport::LongPoll => "long-poll",
    }
}
