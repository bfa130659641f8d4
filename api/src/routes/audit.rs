//! `/api/v1/audit`: the end of the log, its raw records, and walks along all of it.

mod records;
mod walk;

pub use records::{__path_records, records};
pub use walk::{__path_rebuild, __path_verify, rebuild, verify};

use crate::{app::App, auth::Caller, error::ApiError};
use axum::{Extension, Json, extract::State};
use mcpctl_events::wire::{audit::Head, error::ErrorBody};
use std::sync::Arc;

/// Tells where the log ends.
#[utoipa::path(get, path = "/api/v1/audit/head", operation_id = "head", tag = "audit",
    responses((status = 200, body = Head), (status = "default", body = ErrorBody)))]
pub async fn head(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Json<Head>, ApiError> {
    caller.must_be_admin("audit", "the log")?;
    let replica = app.replica();
    let admission = &replica.admission;
    Ok(Json(Head {
        log_id: admission.log_id.map(|id| id.to_string()),
        sequence: admission.last_sequence,
        hash: admission.head.to_string(),
        stopped: replica.stopped().map(ToString::to_string),
    }))
}
