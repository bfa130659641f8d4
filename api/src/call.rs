//! Calling a model by its name: resolve it, then relay to its publisher or ask its own server.

pub mod adapter;
mod boundary;
pub mod held;
pub mod relayed;

use crate::{app::App, error::ApiError, relay::object::Whole, request::ModelRequest};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    event::row::{Kind, Status},
    name::SessionId,
    state::{Llm, Row, State, Stored},
};
use std::sync::Arc;

/// An answer, as it came.
pub enum Reply {
    /// All of it.
    Whole(Whole),
    /// Server-sent events that go on.
    Stream(Body),
}

/// Calls the model of this name. Dropping the future, or the body of the reply, cancels the call.
pub async fn call(app: &Arc<App>, name: &str, path: &'static str, request: ModelRequest) -> Result<Reply, ApiError> {
    let llm = app.look(|state| state.llms.get(name).cloned());
    let llm = llm.ok_or_else(|| not_found(name))?;
    call_llm(app, &llm, path, request).await
}

/// Calls this model.
pub async fn call_llm(
    app: &Arc<App>,
    llm: &Arc<Llm>,
    path: &'static str,
    request: ModelRequest,
) -> Result<Reply, ApiError> {
    match callable(app, llm)? {
        None => adapter::call(app, llm, path, &request).await,
        Some(_) => relayed::call(app, llm, path, &request).await,
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Llm not found: {name}"))
}

/// The session to ask, or none for a public model; the error says why it can't be called and since when.
pub fn callable<'a>(app: &App, llm: &'a Llm) -> Result<Option<&'a SessionId>, ApiError> {
    if llm.disabled {
        let message = format!("Llm '{}' is disabled; `mcpctl enable llm {}` ends that", llm.name, llm.name);
        return Err(ApiError::unavailable("DISABLED", message, 60));
    }
    if llm.kind == Kind::Public {
        return Ok(None);
    }
    match (llm.status, &llm.session) {
        (Status::Active, Some(session)) => Ok(Some(session)),
        (Status::Hibernating, _) => {
            let message = format!("Llm '{}' is hibernating; its publisher has to wake it first", llm.name);
            Err(ApiError::unavailable("HIBERNATING", message, 30))
        }
        _ => Err(offline(app, "Llm", llm)),
    }
}

/// 503 for a row whose publisher is gone, by what is on record now: its end may have come while the call waited.
pub fn offline<D: Stored>(app: &App, title: &str, row: &Row<D>) -> ApiError {
    let now = app.look(|state| D::table(state).get(&row.name).cloned());
    let row = now.as_deref().unwrap_or(row);
    let lease = row.session.as_ref().and_then(|session| app.leases.get(session));
    let heard_at = row.last_heartbeat_at.max(lease.map(|lease| lease.heard_at()));
    let message = match (row.inactive_since, heard_at) {
        (Some(since), _) if row.session.is_none() => {
            format!("{title} '{}' is offline since {since}: no publisher offers it any more", row.name)
        }
        (Some(since), _) => format!("{title} '{}' is offline since {since}: its publisher is not connected", row.name),
        (None, Some(at)) => {
            format!("{title} '{}' is offline: its publisher is not connected, it was last heard at {at}", row.name)
        }
        (None, None) => format!("{title} '{}' is offline: its publisher is not connected", row.name),
    };
    ApiError::unavailable("OFFLINE", message, 30)
}

/// The model that an agent is pinned to.
pub fn pinned_llm(state: &State, pin: &mcpctl_events::definition::Pin) -> Option<Arc<Llm>> {
    if let Some(id) = pin.id {
        return state.llms.by_id(id).cloned();
    }
    let mut members = state.pool(&pin.name)?;
    members.find(|llm| llm.is_live() && !llm.disabled).cloned()
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Whole(whole) => whole_response(whole),
            Self::Stream(body) => sse_response(body),
        }
    }
}

/// Marks the response that is a model server's, whatever it looks like.
#[derive(Debug, Clone, Copy)]
pub struct AsItCame;

/// A whole answer as it came.
pub fn whole_response(whole: Whole) -> Response {
    let mut response = Response::new(Body::from(whole.body));
    *response.status_mut() = StatusCode::from_u16(whole.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let content_type = HeaderValue::from_str(&whole.content_type);
    let content_type = content_type.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.extensions_mut().insert(AsItCame);
    response
}

/// Server-sent events that no proxy should hold back.
pub fn sse_response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// 503 for a call that the end of the server cut off.
pub fn stopping() -> ApiError {
    ApiError::unavailable("SHUTDOWN", "the server stops before the answer is complete; try again in a moment", 5)
}

/// The event that ends a stream that failed after its first byte: no `[DONE]` follows.
pub fn error_event(error: &ApiError) -> bytes::Bytes {
    let json = serde_json::to_string(&error.body()).unwrap_or_default();
    format!("data: {json}\n\n").into()
}
