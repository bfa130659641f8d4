//! What replicas of one log ask of each other; nobody else may.

use crate::{
    app::App,
    call::{
        self, Asked as Call, Reply,
        target::{Standing, Target},
    },
    cluster::{
        self, Asked, Ping,
        relayed::{self, Handed},
    },
    durable::PATHS,
    error::ApiError,
    json::read_body,
    request::ModelRequest,
    writer::{Answer, SweepReport, WriteError},
};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::post,
};
use mcpctl_events::command::{CloseBoots, Command};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Where they are.
pub const PREFIX: &str = "/internal/";

/// Their router.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route(cluster::WRITE, post(write))
        .route(cluster::SWEEP, post(sweep))
        .route(cluster::PING, post(ping))
        .route(cluster::NODES, post(nodes))
        .route(relayed::CALL, post(call))
}

/// Whether a request comes from another replica.
///
/// # Errors
/// 403, which says what is missing.
pub fn check(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(StatusCode::FORBIDDEN, "NOT_A_REPLICA", message));
    match app.cluster.as_ref().and_then(|cluster| cluster.key.as_ref()) {
        None => refuse("this server serves no other replica: it has no --cluster-key, or a log of its own"),
        Some(key) if key.is_in(headers) => Ok(()),
        Some(_) => refuse("replicas have the same --cluster-key: this one is missing, or another"),
    }
}

/// Does a command here, if this replica leads; it is handed on no further.
async fn write(State(app): State<Arc<App>>, body: Body) -> Result<Json<Answer>, ApiError> {
    let Asked { command, actor, idempotency } = read(&app, body).await?;
    // A server that opens a stream is there, though it did not ping yet.
    let sender = match &command {
        Command::Connect(connect) => Some((connect.node.clone(), connect.boot_id)),
        Command::CloseBoots(CloseBoots { node: Some(node), living_boot }) => Some((node.clone(), *living_boot)),
        _ => None,
    };
    if let (Some((node, boot)), Some(cluster)) = (sender, &app.cluster) {
        cluster.nodes.heard(&node, boot, app.clock.uptime());
    }
    Ok(Json(app.writer.write_here(command, actor, idempotency).await))
}

/// Sweeps here, if this replica leads, and says which sequence that reached.
async fn sweep(State(app): State<Arc<App>>) -> Json<Result<(SweepReport, u64), WriteError>> {
    let report = app.writer.sweep_here().await;
    Json(report.map(|report| (report, app.replica().admission.last_sequence)))
}

/// Another replica is there.
async fn ping(State(app): State<Arc<App>>, body: Body) -> Result<Json<()>, ApiError> {
    let Ping { node, boot_id, heard } = read(&app, body).await?;
    let (uptime, now) = (app.clock.uptime(), app.clock.now());
    for session in heard {
        app.leases.renew(&session, uptime, now);
    }
    if let Some(cluster) = &app.cluster {
        cluster.nodes.heard(&node, boot_id, uptime);
    }
    Ok(Json(()))
}

/// Which replicas say that they are there.
async fn nodes(State(app): State<Arc<App>>) -> Json<Vec<String>> {
    Json(app.cluster.as_ref().map(|cluster| cluster.nodes.urls(app.clock.uptime())).unwrap_or_default())
}

/// Calls an Llm by a stream of this process.
async fn call(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    relayed::answer(reply(&app, &headers, body).await)
}

async fn reply(app: &Arc<App>, headers: &HeaderMap, body: Body) -> Result<Reply, ApiError> {
    let asked = headers.get(relayed::ASKED_HEADER).and_then(|asked| serde_json::from_slice(asked.as_bytes()).ok());
    let Some(Handed { llm, path, epoch, may_wait }) = asked else {
        let reason = "says which Llm is called: are both replicas of one version?";
        return Err(ApiError::invalid(relayed::ASKED_HEADER, reason));
    };
    let path = PATHS.into_iter().find(|known| *known == path);
    let path = path.ok_or_else(|| ApiError::invalid(relayed::ASKED_HEADER, "names a path that is not known here"))?;
    let request = ModelRequest::read(read_body(body, &app.config.args).await?)?;
    let not_here = || ApiError::new(StatusCode::GONE, relayed::NOT_HERE, "the publisher's stream is not here");
    let row = app.look(|state| state.llms.by_id(llm).cloned()).ok_or_else(not_here)?;
    let bound = row.session.as_ref().and_then(|session| app.relay.bound(session));
    bound.filter(|bound| bound.epoch == epoch).ok_or_else(not_here)?;
    let target = Target::Here(llm, row.name.to_string());
    let asked = Call { path, request, late_error: relayed::failed_event, may_wait };
    let taken = match target.standing(app, &[]) {
        Ok(Standing::Awake(ways, _)) if !may_wait => {
            let place = app.places.take(target.name(), &ways, || 0);
            let full = || {
                let message = format!("'{}' is busy", target.name());
                ApiError { retry_after: Some(1), ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", message) }
            };
            Some(place.ok_or_else(full)?)
        }
        _ => None,
    };
    call::ask_from(app, &target, &asked, taken, |_| {}).await
}

async fn read<T: DeserializeOwned>(app: &App, body: Body) -> Result<T, ApiError> {
    let body = read_body(body, &app.config.args).await?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid("", format!("{error}: are both replicas of one version?")))
}
