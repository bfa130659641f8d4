//! `GET /api/v1/llms/_provider-tasks`: the same frames for networks that block streams.

use super::{
    rows::{read, sequence},
    stream::{ended, open, session_of},
};
use crate::{
    access,
    app::App,
    auth::Caller,
    cluster::proxy::{Passed, PassedOn, pass_on},
    error::ApiError,
    json::Problems,
    relay::{
        binding::{Binding, End},
        frame::Frame,
        places::Elsewhere,
    },
    routes::openapi::values,
};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    command::{Command, Revive},
    event::{row::Cause, session::Transport},
    name::SessionId,
};
use serde::Deserialize;
use std::{future::poll_fn, sync::Arc, time::Duration};
use tokio::time::timeout;

/// A session without an open poll for this long has ended.
const SILENCE: Duration = Duration::from_secs(10);
const LONGEST_WAIT: u64 = 60;
/// How much longer another replica may take for an answer.
const GRACE: Duration = Duration::from_secs(5);
const USUAL_WAIT: u64 = 25;

/// How long to wait for tasks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollQuery {
    wait_seconds: Option<String>,
}

/// Waits for tasks.
#[utoipa::path(get, path = "/api/v1/llms/_provider-tasks", tag = "publishing",
    params(("waitSeconds" = Option<u64>, Query), ("x-mcpctl-provider-session" = values::SessionId, Header)),
    responses((status = 200, description = "`{tasks: […]}`"), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn poll(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    passed_on: Option<Extension<PassedOn>>,
    Query(query): Query<PollQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = session_of(&headers)?;
    let problems = Problems::default();
    let wait = read(&problems, "waitSeconds", query.wait_seconds.as_deref(), "is a whole number", sequence);
    let wait = problems.check(Some(wait.unwrap_or(USUAL_WAIT)))?;
    let owner = app.look(|state| state.sessions.get(&session).map(|session| session.user_id));
    if owner.is_some_and(|owner| owner != caller.user.id) {
        return Err(mcpctl_events::rejection::Rejection::SessionOfAnotherUser(session).into());
    }
    access::publishes(&app, &caller, &session)?;
    if passed_on.is_none()
        && let Some(holder) = polled_elsewhere(&app, &session)
    {
        let path = format!("/api/v1/llms/_provider-tasks?waitSeconds={wait}");
        let patience = Some(Duration::from_secs(wait.min(LONGEST_WAIT)) + GRACE);
        let (method, headers, body) = (Method::GET, headers.clone(), Body::empty());
        let passed = Passed { method, path: &path, headers, body, patience };
        if let Ok(answer) = pass_on(&app, &holder.node, passed).await {
            return Ok(answer);
        }
        // It is gone, and this one takes its place.
    }
    let bound = app.relay.bound(&session).filter(|bound| bound.transport == Transport::LongPoll);
    let binding = if let Some(binding) = bound {
        binding.is_asked_by(&caller);
        binding
    } else {
        let (binding, _) = open(&app, &caller, session.clone(), &headers, Transport::LongPoll).await?;
        app.tasks.spawn(watch(app.clone(), binding.clone()));
        binding
    };
    revive(&app, &caller, &binding).await;
    let _open = binding.polls.enter();
    let wait = Duration::from_secs(wait.min(LONGEST_WAIT));
    let frames = timeout(wait, poll_fn(|context| binding.poll_frames(context))).await.unwrap_or_default();
    if binding.over.is_cancelled() {
        // What was granted when the wait began may be no more.
        caller.check_welcome(&app)?;
        access::publishes(&app, &caller, &session)?;
    }
    // Whoever waited was there.
    renew(&app, &binding);
    if frames.is_empty() && binding.over.is_cancelled() {
        return Err(ended_by(binding.end()));
    }
    Ok(answer(&frames))
}

/// The replica whose polls these are, if it is not this one.
fn polled_elsewhere(app: &App, session: &SessionId) -> Option<Elsewhere> {
    if app.relay.bound(session).is_some() {
        return None;
    }
    app.look(|state| {
        let connection = state.sessions.get(session)?.connection.as_ref()?;
        if connection.transport == Transport::LongPoll { app.elsewhere(state, session) } else { None }
    })
}

fn renew(app: &App, binding: &Binding) {
    if let Some(lease) = app.leases.get(&binding.session) {
        lease.renew(app.clock.uptime(), app.clock.now());
    }
}

/// A poll is a sign of life: it renews the lease, and rows that had expired come back, as with a heartbeat.
async fn revive(app: &App, caller: &Caller, binding: &Binding) {
    renew(app, binding);
    let session = &binding.session;
    if app.writer.hear(session, caller.user.id, || ()).is_none() {
        let revive = Revive { session: session.clone(), user: caller.user.id, cause: Cause::Heartbeat };
        // While nobody writes, calls go on all the same; the next poll tries again.
        let _ = app.writer.write_all(Command::Revive(revive), "relay").await;
    }
}

fn answer(frames: &[Frame]) -> Response {
    let mut body = Vec::from(&br#"{"tasks":["#[..]);
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(frame.json());
    }
    body.extend_from_slice(b"]}");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn ended_by(end: Option<End>) -> ApiError {
    let (code, message) = match end {
        Some(End::Superseded) => ("SUPERSEDED", "a newer stream of this session took over"),
        Some(End::Shutdown) => ("SHUTDOWN", "the server stops; poll again in a moment"),
        Some(End::Gone) | None => ("POLL_ENDED", "this poll's session was not polled for too long; poll again"),
    };
    ApiError::new(StatusCode::GONE, code, message)
}

/// Ends the binding when nobody polls any more.
async fn watch(app: Arc<App>, binding: Arc<Binding>) {
    tokio::select! {
        () = binding.over.cancelled() => {}
        () = binding.polls.silent_for(SILENCE) => {}
    }
    ended(&app, &binding);
}
