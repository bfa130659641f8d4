//! `POST /api/v1/llms/:name/infer`: an OpenAI chat body to one model or pool; status, body and chunks come back unchanged.

use crate::{
    app::App,
    call::{
        self, Asked,
        held::LateError,
        target::{Target, not_found},
    },
    error::ApiError,
    json,
    request::ModelRequest,
    routes::openapi::bodies,
};
use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use std::sync::Arc;

/// Calls a model.
#[utoipa::path(post, path = "/api/v1/llms/{name}/infer", tag = "calls", params(("name" = String, Path)),
    request_body(content = bodies::ModelRequest, description = "an OpenAI chat completion request; `model` is replaced"),
    responses((status = 200, description = "the model server's answer, unchanged; server-sent events with `stream: true`"),
        (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn infer(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Result<Response, ApiError> {
    let body = json::read_body(body, &app.config.args).await?;
    let (path, late_error) = ("/v1/chat/completions", call::error_event as LateError);
    let asked = Asked { path, request: ModelRequest::parse(body)?, late_error, may_wait: true };
    let target = app.look(|state| Target::named(state, &name)).ok_or_else(|| not_found(&name))?;
    call::answer(app, target, asked).await
}
