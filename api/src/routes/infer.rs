//! `POST /api/v1/llms/:name/infer`: an OpenAI chat body to one model; status, body and chunks come back unchanged.

use crate::{app::App, call, error::ApiError, json, request::ModelRequest};
use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Calls a model.
#[utoipa::path(post, path = "/api/v1/llms/{name}/infer", tag = "calls", params(("name" = String, Path)),
    request_body(content = Object, description = "an OpenAI chat completion request; `model` is replaced"),
    responses((status = 200, description = "the model server's answer, unchanged; server-sent events with `stream: true`"),
        (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn infer(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Result<Response, ApiError> {
    let body = json::read_body(body, app.config.args.max_body).await?;
    let request = ModelRequest::parse(body)?;
    if !request.streaming {
        return Ok(call::call(&app, &name, "/v1/chat/completions", request).await?.into_response());
    }
    let waiting = async move { call::call(&app, &name, "/v1/chat/completions", request).await };
    call::held::respond(Box::pin(waiting), call::error_event).await
}
