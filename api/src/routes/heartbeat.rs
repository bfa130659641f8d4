//! `POST /api/v1/llms/_provider-heartbeat`: a sign of life.

use super::written::{WriteQuery, settled, write_all};
use crate::{
    access,
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
    routes::openapi::bodies,
    server::NextIsFar,
};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use mcpctl_events::{
    command::{Command, Revive},
    event::row::Cause,
    name::SessionId,
    wire::publish::HeartbeatSeen,
};
use std::sync::Arc;

/// Renews the lease of a session and brings its inactive rows back.
#[utoipa::path(post, path = "/api/v1/llms/_provider-heartbeat", tag = "publishing",
    request_body = bodies::Heartbeat,
    responses((status = 200, body = HeartbeatSeen), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn heartbeat(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let session = parse(&body)?;
    access::publishes(&app, &caller, &session)?;
    let user = caller.user.id;
    // The usual heartbeat, of which there are many, costs the writer nothing.
    let heard = app.writer.hear(&session, user, || renew(&app, &session));
    let (written, (llms, agents)) = if let Some(rows) = heard {
        (settled(&app, query).await, rows)
    } else {
        let revive = Revive { session: session.clone(), user, cause: Cause::Heartbeat };
        (write_all(&app, &caller, Command::Revive(revive), query).await?, rows_of(&app, &session))
    };
    let connected = app.relay.bound(&session).is_some() || app.look(|state| app.elsewhere(state, &session)).is_some();
    let seen = HeartbeatSeen { connected, llms: llms as u64, agents: agents as u64 };
    let mut response = written.answer(StatusCode::OK, seen);
    response.extensions_mut().insert(NextIsFar);
    Ok(response)
}

fn renew(app: &App, session: &SessionId) {
    app.leases.renew(session, app.clock.uptime(), app.clock.now());
}

fn rows_of(app: &App, session: &SessionId) -> (usize, usize) {
    app.look(|state| state.sessions.get(session).map_or((0, 0), |session| (session.llms.len(), session.agents.len())))
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
