//! `GET /openapi.json`.

pub mod bodies;
pub mod queries;
pub mod values;

use super::{
    agents, audit, chat, documents, dry_run, events, gc, grants, health, heartbeat, heartbeats, history, infer, llms,
    members, metrics, openai, passage, poll, register, result, sessions, status, stream, tasks, threads, tokens, tools,
    whoami, why,
};
use axum::{Json, response::IntoResponse};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

/// The server's API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "mcpd",
        description = "An event-sourced registry for LLMs and agents. Every route under /api and /v1 takes a bearer token."
    ),
    components(schemas(
        mcpctl_events::wire::chat::ChatEvent,
        mcpctl_events::event::row::Kind,
        mcpctl_events::event::row::Status,
        values::AnyResource,
        values::AnyVerb,
        values::Before,
        values::Glob,
        values::GrantKind,
        values::GrantVerb,
        values::Key,
        values::Limit,
        values::Name,
        values::Point,
        values::Sequence,
        values::SessionId,
    )),
    paths(
        register::register,
        register::dry_run,
        stream::stream,
        poll::poll,
        heartbeat::heartbeat,
        result::result,
        sessions::index,
        sessions::show,
        llms::index,
        llms::create,
        llms::show,
        llms::replace,
        llms::delete,
        llms::switch,
        members::members,
        infer::infer,
        agents::index,
        agents::create,
        agents::show,
        agents::replace,
        agents::delete,
        agents::switch,
        documents::project::index,
        documents::project::create,
        documents::project::show,
        documents::project::replace,
        documents::project::delete,
        documents::personality::index,
        documents::personality::create,
        documents::personality::show,
        documents::personality::replace,
        documents::personality::delete,
        documents::prompt::index,
        documents::prompt::create,
        documents::prompt::show,
        documents::prompt::replace,
        documents::prompt::delete,
        openai::models::index,
        openai::models::show,
        openai::chat_completions,
        openai::completions,
        openai::embeddings,
        openai::responses,
        chat::chat,
        tasks::create,
        tasks::index,
        tasks::show,
        tasks::cancel,
        tasks::follow,
        tokens::create,
        tokens::index,
        tokens::revoke,
        grants::index,
        grants::create,
        grants::delete,
        whoami::who_am_i,
        whoami::can_i,
        tools::index,
        threads::of_agent,
        threads::show,
        threads::delete,
        threads::messages,
        events::index,
        history::of_agent,
        history::of_llm,
        history::of_session,
        why::of_agent,
        why::of_llm,
        heartbeats::index,
        audit::head,
        audit::records,
        audit::verify,
        audit::rebuild,
        gc::gc,
        health::healthz,
        health::readyz,
        metrics::metrics,
        passage::up,
        passage::down,
        status::status,
        dry_run::dry_run,
    ),
    security(("token" = [])),
    modifiers(&Token)
)]
pub struct Document;

/// How callers say who they are.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// The OpenAPI document.
pub async fn document() -> impl IntoResponse {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document: serde_json::Value = serde_json::to_value(Document::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let operations: Vec<_> = paths.flat_map(|path| path.as_object().unwrap().values()).collect();
        let names: BTreeSet<_> = operations.iter().map(|it| it["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), operations.len(), "{names:?}");
    }
}
