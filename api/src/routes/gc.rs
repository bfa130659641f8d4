//! `POST /api/v1/gc`: one sweep now.

use crate::{app::App, auth::Caller, error::ApiError, routes::written::tables_reach};
use axum::{Extension, Json, extract::State};
use serde::Serialize;
use std::{sync::Arc, time::Duration};

/// What the sweep did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Rows that became inactive.
    marked_inactive: usize,
    /// Rows that were deleted.
    deleted: usize,
    /// Llms that were inactive for long enough and stay all the same.
    retained: Vec<RetainedLlm>,
}

/// An Llm that was kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RetainedLlm {
    name: String,
    reason: String,
}

/// Sweeps.
#[utoipa::path(post, path = "/api/v1/gc", tag = "registry",
    responses((status = 200, body = Swept), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn gc(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Json<Swept>, ApiError> {
    caller.must_be_admin("gc", "the registry")?;
    let report = app.writer.sweep().await?;
    let sequence = app.replica().admission.last_sequence;
    tables_reach(app.projected.clone(), sequence, Duration::from_secs(5)).await;
    let retained = report.retained.into_iter();
    let retained = retained.map(|kept| RetainedLlm { name: kept.name.to_string(), reason: kept.reason }).collect();
    Ok(Json(Swept { marked_inactive: report.marked_inactive, deleted: report.deleted, retained }))
}
