//! What replicas of one log ask of each other; nobody else may.

use crate::{
    app::App,
    cluster::{self, Asked, Ping},
    error::ApiError,
    json::read_body,
    writer::{Answer, SweepReport, WriteError},
};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Where they are.
pub const PREFIX: &str = "/internal/";

/// Their router.
pub fn router() -> Router<Arc<App>> {
    Router::new().route(cluster::WRITE, post(write)).route(cluster::SWEEP, post(sweep)).route(cluster::PING, post(ping))
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
        cluster.nodes.heard(node, boot_id, uptime);
    }
    Ok(Json(()))
}

async fn read<T: DeserializeOwned>(app: &App, body: Body) -> Result<T, ApiError> {
    let body = read_body(body, &app.config.args).await?;
    serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid("", format!("{error}: are both replicas of one version?")))
}
