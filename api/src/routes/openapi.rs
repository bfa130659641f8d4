//! `GET /openapi.json`.

use super::{
    agents, chat, events, gc, health, heartbeat, infer, llms, metrics, poll, register, result, stream, threads,
};
use axum::{Json, response::IntoResponse};
use utoipa::OpenApi;

/// The server's API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "mcpd",
        description = "An event-sourced registry for LLMs and agents. Every route under /api takes a bearer token."
    ),
    paths(
        register::register,
        stream::stream,
        poll::poll,
        heartbeat::heartbeat,
        result::result,
        llms::index,
        llms::create,
        llms::show,
        llms::replace,
        llms::delete,
        llms::switch,
        infer::infer,
        agents::index,
        agents::create,
        agents::show,
        agents::replace,
        agents::delete,
        agents::switch,
        chat::chat,
        threads::of_agent,
        threads::show,
        threads::delete,
        threads::messages,
        events::index,
        gc::gc,
        health::healthz,
        health::readyz,
        metrics::metrics,
    ),
    components(schemas(mcpctl_events::wire::chat::ChatEvent))
)]
pub struct Document;

/// The OpenAPI document.
pub async fn document() -> impl IntoResponse {
    Json(Document::openapi())
}
