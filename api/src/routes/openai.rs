//! OpenAI's API at the root, for any program that speaks it: `model` is an Llm, a pool, or `agent/<name>`.
//!
//! Bodies pass as they came. What differs from `infer` is how the model is named, and how errors look.

mod agent;
pub mod error;
pub mod front;
pub mod models;

use crate::{
    access,
    app::App,
    auth::Caller,
    call::{self, Asked, target::Target},
    error::ApiError,
    json,
    request::ModelRequest,
    routes::openapi::bodies,
};
use axum::{Extension, body::Body, extract::State, http::StatusCode, response::Response};
use mcpctl_events::access::{Kind, Verb};
use std::sync::Arc;

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const RESPONSES: &str = "/v1/responses";

/// A chat completion.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai",
    request_body(content = bodies::NamedModelRequest, description = "OpenAI's request; `model` is an Llm, a pool, or `agent/<name>`"),
    responses((status = 200, description = "the model server's answer, unchanged; server-sent events with `stream: true`"),
        (status = "default", body = error::OpenAiError)))]
pub async fn chat_completions(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ApiError> {
    call(app, &caller, CHAT, body).await
}

/// A text completion.
#[utoipa::path(post, path = "/v1/completions", tag = "openai",
    request_body(content = bodies::NamedModelRequest, description = "OpenAI's request; `model` is an Llm or a pool"),
    responses((status = 200, description = "the model server's answer, unchanged; server-sent events with `stream: true`"),
        (status = "default", body = error::OpenAiError)))]
pub async fn completions(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ApiError> {
    call(app, &caller, COMPLETIONS, body).await
}

/// Embeddings.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai",
    request_body(content = bodies::NamedModelRequest, description = "OpenAI's request; `model` is an Llm or a pool"),
    responses((status = 200, description = "the model server's answer, unchanged"),
        (status = "default", body = error::OpenAiError)))]
pub async fn embeddings(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ApiError> {
    call(app, &caller, EMBEDDINGS, body).await
}

/// A response.
#[utoipa::path(post, path = "/v1/responses", tag = "openai",
    request_body(content = bodies::NamedModelRequest, description = "OpenAI's request; `model` is an Llm, a pool, or `agent/<name>`"),
    responses((status = 200, description = "the model server's answer, unchanged; server-sent events with `stream: true`"),
        (status = "default", body = error::OpenAiError)))]
pub async fn responses(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ApiError> {
    call(app, &caller, RESPONSES, body).await
}

async fn call(app: Arc<App>, caller: &Caller, path: &'static str, body: Body) -> Result<Response, ApiError> {
    let body = json::read_body(body, &app.config.args).await?;
    let request = ModelRequest::parse(body)?;
    let model = request.model_name()?;
    let (kind, name) = match model.strip_prefix("agent/") {
        Some(name) => (Kind::Agent, name),
        None => (Kind::Llm, &*model),
    };
    access::allow(&app, caller, Verb::Run, kind, Some(name))?;
    let (target, request) = match model.strip_prefix("agent/") {
        Some(name) => agent::apply(&app, name, path, &request).await?,
        None => (app.look(|state| Target::named(state, &model)).ok_or_else(|| no_model(&model))?, request),
    };
    call::answer(app, target, Asked { path, request, late_error: error::event, may_wait: true }).await
}

/// 404 in OpenAI's words.
fn no_model(model: &str) -> ApiError {
    let message = format!("The model '{}' does not exist; GET /v1/models lists those that do", model.escape_default());
    ApiError::new(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND", message)
}
