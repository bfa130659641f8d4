//! `GET /api/v1/status`: how this server is, and which others there are.

use crate::{app::App, auth::Caller, cluster::Cluster};
use axum::{Extension, Json, extract::State};
use mcpctl_events::{
    event::token::Role,
    wire::{
        error::ErrorBody,
        status::{LogStatus, Status},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// Says how this server is, and which others there are.
#[utoipa::path(get, path = "/api/v1/status", operation_id = "getStatus", tag = "operations",
    responses((status = 200, body = Status), (status = "default", body = ErrorBody)))]
pub async fn status(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Json<Status> {
    let leads = app.writer.term().is_some();
    let leader = match &app.cluster {
        _ if leads => Some(app.advertise_url.clone()),
        Some(cluster) => cluster.leader(),
        None => None,
    };
    let replicas = match (&app.cluster, &leader) {
        (Some(cluster), Some(leader)) => replicas(&app, cluster, leader, leads).await,
        _ => BTreeSet::from([app.advertise_url.clone()]),
    };
    let replica = app.replica();
    let sessions = &replica.state.sessions;
    let connected = sessions
        .iter()
        .filter(|(id, session)| session.connection.as_ref().is_some_and(|connection| app.holds(id, connection)));
    let admission = &replica.admission;
    Json(Status {
        url: app.advertise_url.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        log: LogStatus {
            backend: if app.config.log.is_shared() { "kafka" } else { "sqlite" }.to_owned(),
            sequence: admission.last_sequence,
            head: (caller.role == Role::Admin).then(|| admission.head.to_string()),
            term: admission.term,
        },
        tables_sequence: *app.projected.borrow(),
        leader,
        replicas: replicas.into_iter().collect(),
        sessions: sessions.len() as u64,
        connected_sessions: connected.count() as u64,
        open_calls: app.relay.open_tasks() as u64,
        queued_calls: app.places.waiting().length as u64,
    })
}

/// Those that are there: the one that leads hears of all others.
async fn replicas(app: &App, cluster: &Cluster, leader: &str, leads: bool) -> BTreeSet<String> {
    let known = if leads { Some(cluster.nodes.urls(app.clock.uptime())) } else { cluster.nodes_of(leader).await };
    let own = [app.advertise_url.clone(), leader.to_owned()];
    known.unwrap_or_default().into_iter().chain(own).collect()
}
