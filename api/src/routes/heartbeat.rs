//! `POST /api/v1/llms/_provider-heartbeat`: a sign of life.

use crate::{
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
};
use axum::{Extension, Json, body::Body, extract::State};
use mcpctl_events::{
    command::{Command, Revive},
    event::row::Cause,
    name::SessionId,
    wire::publish::HeartbeatSeen,
};
use std::sync::Arc;

/// Renews the lease of a session and brings its inactive rows back.
#[utoipa::path(post, path = "/api/v1/llms/_provider-heartbeat", tag = "publishing",
    request_body(content = Object, description = "`{providerSessionId}`"),
    responses((status = 200, body = HeartbeatSeen), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn heartbeat(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<HeartbeatSeen>, ApiError> {
    let body = json::read_body(body, app.config.args.max_body).await?;
    let session = parse(&body)?;
    let revive = Revive { session: session.clone(), user: caller.user.id, cause: Cause::Heartbeat };
    let mut more = true;
    while more {
        let done = app.writer.write(Command::Revive(revive.clone()), caller.actor(), None).await?;
        more = !done.events.is_empty();
    }
    let (llms, agents) = app.look(|state| {
        state.sessions.get(&session).map_or((0, 0), |session| (session.llms.len(), session.agents.len()))
    });
    let connected = app.relay.bound(&session).is_some();
    Ok(Json(HeartbeatSeen { connected, llms: llms as u64, agents: agents as u64 }))
}

fn parse(body: &[u8]) -> Result<SessionId, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?.null_is_absent();
    let text = fields.required_string("providerSessionId");
    let session = text.and_then(|text| {
        SessionId::parse(&text).map_err(|error| fields.problem("providerSessionId", error.to_string())).ok()
    });
    problems.check(session)
}
