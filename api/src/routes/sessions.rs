//! `GET /api/v1/sessions`: publishers, and what they are busy with.

use super::{past::PastQuery, written::set_sequence};
use crate::{app::App, auth::Caller, error::ApiError, past};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    event::{session::Transport, token::Role},
    name::SessionId,
    replica::Replica,
    state::{Session as Stored, State as Registry},
    wire::{
        SEQUENCE_HEADER,
        error::ErrorBody,
        sessions::{QueuedCall, Session},
    },
};
use std::{sync::Arc, time::Duration};

/// Lists the caller's publishers, an admin all, by the id of their session.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "listSessions", tag = "publishing", params(PastQuery),
    responses((status = 200, body = Vec<Session>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<PastQuery>,
) -> Result<Response, ApiError> {
    let all = |replica: &Replica, present: &dyn Fn(&Registry, &SessionId, &Stored) -> Session| {
        let sessions = replica.state.sessions.iter().filter(|(_, session)| may_read(&caller, session));
        let sessions = sessions.map(|(id, session)| present(&replica.state, id, session));
        (sessions.collect::<Vec<_>>(), replica.admission.last_sequence)
    };
    let (sessions, sequence) = match &query.as_of {
        Some(as_of) => all(&*past::at(&app, as_of).await?, &was),
        None => all(&app.replica(), &|state, id, session| present(&app, state, id, session)),
    };
    let mut response = Json(sessions).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, sequence);
    Ok(response)
}

/// Reads one.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", operation_id = "getSession", tag = "publishing", params(("id" = String, Path), PastQuery),
    responses((status = 200, body = Session), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Json<Session>, ApiError> {
    let past = match &query.as_of {
        Some(as_of) => Some(past::at(&app, as_of).await?),
        None => None,
    };
    let found = SessionId::parse(&id).ok().and_then(|id| match past {
        Some(past) => {
            let session = past.state.sessions.get(&id).filter(|session| may_read(&caller, session))?;
            Some(was(&past.state, &id, session))
        }
        None => app.look(|state| {
            let session = state.sessions.get(&id).filter(|session| may_read(&caller, session))?;
            Some(present(&app, state, &id, session))
        }),
    });
    Ok(Json(found.ok_or_else(|| ApiError::not_found(format!("session not found: {}", id.escape_default())))?))
}

/// A session is its user's; an admin sees all.
fn may_read(caller: &Caller, session: &Stored) -> bool {
    caller.role == Role::Admin || session.user_id == caller.user.id
}

fn present(app: &App, state: &Registry, id: &SessionId, session: &Stored) -> Session {
    let bound = app.relay.bound(id);
    let queue = app.places.waiting_for(id);
    let heard = app.leases.get(id).map(|lease| lease.heard_at()).max(Some(session.last_heartbeat_at));
    Session {
        connected: bound.is_some() || session.connection.as_ref().is_some_and(|connection| app.holds(id, connection)),
        last_heartbeat_at: heard.map(|heard| heard.to_string()),
        open_calls: bound.map_or(0, |bound| bound.open_calls() as u64),
        queued_calls: queue.length as u64,
        queue: (1..).zip(&queue.first).map(|(position, call)| queued(position, call)).collect(),
        ..was(state, id, session)
    }
}

/// As the log has it. Calls are on no log.
fn was(state: &Registry, id: &SessionId, session: &Stored) -> Session {
    let user = state.users.iter().find(|(_, user)| **user == session.user_id).map(|(name, _)| name.to_string());
    let connection = session.connection.as_ref();
    Session {
        id: id.to_string(),
        user,
        epoch: session.epoch,
        connected: connection.is_some(),
        transport: connection.map(|connection| transport(connection.transport).to_owned()),
        node: connection.map(|connection| connection.node.clone()),
        last_heartbeat_at: Some(session.last_heartbeat_at.to_string()),
        llms: session.llms.iter().map(ToString::to_string).collect(),
        agents: session.agents.iter().map(ToString::to_string).collect(),
        open_calls: 0,
        queued_calls: 0,
        queue: Vec::new(),
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
