//! Whether the process is up, and whether it is ready.

use crate::{app::App, error::ApiError};
use axum::extract::State;
use std::sync::Arc;

/// The process is up.
#[utoipa::path(get, path = "/healthz", security(()), tag = "operations", responses((status = 200, description = "the process is up")))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The log is readable, and the tables hold what was on it at the start.
#[utoipa::path(get, path = "/readyz", security(()), tag = "operations",
    responses((status = 200, description = "ready"), (status = 503, body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    let not_ready = |reason: String| Err(ApiError::unavailable("NOT_READY", reason, 1));
    let progress = app.progress.borrow().clone();
    if let Some(reason) = progress.stopped.or(progress.unreadable) {
        return not_ready(reason);
    }
    let (target, projected) = (app.start_sequence, *app.projected.borrow());
    if projected < target {
        return not_ready(format!("the read tables are at sequence {projected} of {target}"));
    }
    // The very first start is ready once its own first events, with the admin's token, are in the tables.
    if app.look(|state| state.users.is_empty()) || projected < 2 {
        let reason = "the read tables do not have the first user yet: does whatever writes them, this server or mcpd-projector, run?";
        return not_ready(reason.to_owned());
    }
    Ok("ready\n")
}
