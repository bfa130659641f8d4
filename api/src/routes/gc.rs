//! `POST /api/v1/gc`: one sweep now.

use super::written::{WriteQuery, settled};
use crate::{app::App, auth::Caller, error::ApiError};
use axum::{
    Extension,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;
use std::sync::Arc;

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
#[utoipa::path(post, path = "/api/v1/gc", tag = "registry", params(WriteQuery),
    responses((status = 200, body = Swept), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn gc(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
) -> Result<Response, ApiError> {
    caller.must_be_admin("gc", "the registry")?;
    let report = app.writer.sweep().await?;
    let written = settled(&app, query).await;
    let retained = report.retained.into_iter();
    let retained = retained.map(|kept| RetainedLlm { name: kept.name.to_string(), reason: kept.reason }).collect();
    let swept = Swept { marked_inactive: report.marked_inactive, deleted: report.deleted, retained };
    Ok(written.answer(StatusCode::OK, swept))
}
