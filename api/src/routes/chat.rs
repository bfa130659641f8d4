//! `POST /api/v1/agents/:name/chat`.

use crate::{
    app::App,
    auth::Caller,
    chat::{self, Turn},
    error::ApiError,
    json,
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use mcpctl_events::wire::{
    chat::{ChatReply, ChatRequest},
    error::ErrorBody,
};
use std::sync::Arc;

/// Says something to an agent.
#[utoipa::path(post, path = "/api/v1/agents/{name}/chat", tag = "chat", params(("name" = String, Path)),
    request_body = ChatRequest,
    responses((status = 200, body = ChatReply, description = "with `stream: true`, server-sent ChatEvents"),
        (status = "default", body = ErrorBody)))]
pub async fn chat(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let turn = Turn::parse(&body)?;
    chat::turn(&app, &caller, &name, turn).await
}
