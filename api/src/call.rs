//! Calling a model by its name: find a way to it, then relay to its publisher or ask its own server.

pub mod adapter;
mod boundary;
pub mod held;
pub mod moves;
mod seek;
pub mod streamed;
pub mod target;
pub mod wake;

use crate::{
    app::App,
    cluster::relayed,
    error::ApiError,
    relay::{object::Whole, places::Given},
    request::ModelRequest,
};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use held::LateError;
use mcpctl_events::{
    event::row::{Kind, Status},
    name::Name,
    state::{Agent, Row, Stored},
};
use moves::Moves;
use std::sync::Arc;
use target::Target;
use tokio::time::Instant;

/// What is asked of a model.
#[derive(Debug)]
pub struct Asked {
    /// Path at the model server.
    pub path: &'static str,
    /// The body.
    pub request: ModelRequest,
    /// How a failure is told within a stream.
    pub late_error: LateError,
    /// Whether it may wait in line at another replica.
    pub may_wait: bool,
}

/// An answer, as it came.
pub enum Reply {
    /// All of it.
    Whole(Whole),
    /// Server-sent events that go on.
    Stream(Body),
}

/// Failures of a publisher or model server, with which another member of a pool may do better.
const WORTH_ANOTHER: [&str; 8] = [
    "OFFLINE",
    "PUBLISHER_DISCONNECTED",
    "PUBLISHER_SILENT",
    "PUBLISHER_ERROR",
    "BUSY",
    "UPSTREAM_ERROR",
    "NO_URL",
    "API_KEY_UNREADABLE",
];

/// Calls a model. While the caller has got nothing, another member of a pool is asked where one fails. Dropping the
/// future, or the body of the reply, cancels the call.
pub async fn ask(app: &Arc<App>, target: &Target, asked: &Asked) -> Result<Reply, ApiError> {
    ask_from(app, target, asked, None, |_| {}).await
}

/// The same, for who has a place already. Tells the name of each model that it is about to be sent to.
pub async fn ask_from(
    app: &Arc<App>,
    target: &Target,
    asked: &Asked,
    mut taken: Option<Given>,
    tell: impl Fn(&Name),
) -> Result<Reply, ApiError> {
    let until = Instant::now() + app.config.args.first_byte_timeout;
    let (mut tried, mut failed, mut back, mut moves) = (Vec::new(), None, None, Moves::of(app));
    let is_pool = matches!(target, Target::Pool(_));
    // Members that other replicas had no room for: it is waited for one of them once nobody else is left.
    let (mut busy, mut waits) = (Vec::new(), matches!(target, Target::Llm(..)) && asked.may_wait);
    loop {
        let found = match taken.take() {
            Some(taken) => Ok(taken),
            None => seek::place(app, target, &tried, until).await,
        };
        let (way, place) = match found {
            Ok(found) => found,
            Err(_) if !busy.is_empty() && asked.may_wait && !waits => {
                tried.retain(|llm| !busy.contains(llm));
                waits = true;
                continue;
            }
            Err(error) => return failed.unwrap_or(Err(error)),
        };
        tell(&way.llm.name);
        let outcome = match (&way.binding, &way.elsewhere) {
            (None, Some(holder)) => match relayed::call(app, &way.llm, holder, place, asked, waits).await {
                // Its stream ended there, or is at yet another replica, or that one is gone, and its publisher may be back
                // in a moment.
                Err(error) if error.code == relayed::NOT_HERE || (error.code == relayed::UNREACHED && !is_pool) => {
                    let until = *back.get_or_insert_with(|| {
                        let (node, why) = (holder.node.as_str(), &*error.message);
                        tracing::warn!(node, why, "a call waits: its publisher's server does not take it");
                        Instant::now() + app.config.args.connect_grace
                    });
                    if Instant::now() < until {
                        moves.next(until).await;
                        continue;
                    }
                    Err(offline(app, "Llm", &way.llm))
                }
                Err(error) if error.code == "BUSY" && !waits => {
                    busy.push(way.llm.id);
                    Err(error)
                }
                Err(error) if error.code == relayed::UNREACHED => {
                    let (node, why) = (holder.node.as_str(), &*error.message);
                    tracing::warn!(
                        node,
                        why,
                        "a member of a pool is passed over: its publisher's server does not take the call"
                    );
                    Err(ApiError { code: "PUBLISHER_SILENT".into(), ..error })
                }
                outcome => outcome,
            },
            (None, None) => adapter::call(app, &way.llm, place, asked).await,
            (Some(binding), _) => match streamed::call(app, &way.llm, binding, place, asked).await {
                Ok(Some(reply)) => Ok(reply),
                // The stream ended before the call was on it.
                Ok(None) if app.stopping.is_cancelled() => return Err(stopping()),
                Ok(None) => continue,
                Err(error) => Err(error),
            },
        };
        if !is_worth_another(&outcome) {
            return outcome;
        }
        tried.push(way.llm.id);
        failed = Some(outcome);
    }
}

/// Calls a model and answers its caller; a stream is kept alive while nothing is said.
pub async fn answer(app: Arc<App>, target: Target, asked: Asked) -> Result<Response, ApiError> {
    if !asked.request.streaming {
        return Ok(ask(&app, &target, &asked).await?.into_response());
    }
    let late_error = asked.late_error;
    let waiting = async move { ask(&app, &target, &asked).await };
    held::respond(Box::pin(waiting), late_error).await
}

fn is_worth_another(outcome: &Result<Reply, ApiError>) -> bool {
    match outcome {
        Ok(Reply::Stream(_)) => false,
        Ok(Reply::Whole(whole)) => whole.status >= 500 || whole.status == 429,
        Err(error) => WORTH_ANOTHER.contains(&&*error.code),
    }
}

/// What an agent is pinned to, if both can be called; the error names the agent and since when it can't.
pub async fn of_agent(app: &App, agent: &Agent) -> Result<Target, ApiError> {
    if agent.disabled {
        let message = format!("Agent '{}' is disabled; `mcpctl enable agent {}` ends that", agent.name, agent.name);
        return Err(ApiError::unavailable("DISABLED", message, 60));
    }
    if agent.status == Status::Inactive {
        return Err(offline(app, "Agent", agent));
    }
    if let (Kind::Virtual, Some(session)) = (agent.kind, &agent.session) {
        streamed::connected(app, session).await.map_err(|()| offline(app, "Agent", agent))?;
    }
    let target = Target::pinned(&agent.definition.llm);
    match target.standing(app, &[]) {
        Ok(_) => Ok(target),
        Err(error) if error.status == StatusCode::NOT_FOUND => {
            let message = format!("Agent '{}' has no model: '{}' is gone", agent.name, target.name());
            Err(ApiError::unavailable("OFFLINE", message, 30))
        }
        Err(error) => Err(error),
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
