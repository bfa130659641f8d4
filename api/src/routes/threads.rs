//! Threads, private to their owner.

use super::written::set_sequence;
use crate::{app::App, auth::Caller, error::ApiError};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    event::token::Role,
    wire::{
        SEQUENCE_HEADER,
        chat::{Message, Thread},
        error::ErrorBody,
    },
};
use mcpctl_projector::store::work;
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

/// Lists the caller's threads with an agent, the newest first.
#[utoipa::path(get, path = "/api/v1/agents/{name}/threads", operation_id = "listThreads", tag = "chat", params(("name" = String, Path)),
    responses((status = 200, body = Vec<Thread>), (status = "default", body = ErrorBody)))]
pub async fn of_agent(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let agent = app.look(|state| state.agents.get(&name).map(|agent| agent.id));
    let agent = agent.ok_or_else(|| ApiError::not_found(format!("Agent not found: {}", name.escape_default())))?;
    let threads = app.work.threads(agent, caller.user.id).await?;
    Ok(list(&app, threads.iter().map(present).collect::<Vec<_>>()))
}

/// Reads a thread.
#[utoipa::path(get, path = "/api/v1/threads/{id}", operation_id = "getThread", tag = "chat", params(("id" = String, Path)),
    responses((status = 200, body = Thread), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Thread>, ApiError> {
    Ok(Json(present(&own(&app, &caller, &id).await?)))
}

/// Deletes a thread with its messages. An admin may delete what they may not read.
#[utoipa::path(delete, path = "/api/v1/threads/{id}", operation_id = "deleteThread", tag = "chat", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let uuid = Uuid::parse_str(&id).map_err(|_| not_found(&id))?;
    let owner = (caller.role != Role::Admin).then_some(caller.user.id);
    if !app.work.delete_thread(uuid, owner).await? {
        return Err(not_found(&id));
    }
    Ok(numbered(&app, StatusCode::NO_CONTENT))
}

/// Lists a thread's messages.
#[utoipa::path(get, path = "/api/v1/threads/{id}/messages", operation_id = "listMessages", tag = "chat", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Message>), (status = "default", body = ErrorBody)))]
pub async fn messages(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let thread = own(&app, &caller, &id).await?;
    let messages = app.work.messages(thread.id).await?;
    let present = |message: work::Message| Message {
        turn_index: message.turn_index,
        role: message.role,
        content: message.content,
        tool_calls: message.tool_calls.map(|calls| calls.to_raw()),
        tool_call_id: message.tool_call_id,
        status: message.status.as_str().to_owned(),
        created_at: message.created_at.to_string(),
    };
    Ok(list(&app, messages.into_iter().map(present).collect::<Vec<_>>()))
}

fn list(app: &App, items: impl Serialize) -> Response {
    numbered(app, Json(items))
}

/// Threads are on no log; the header says what it says everywhere, how far the registry's tables are.
fn numbered(app: &App, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, *app.projected.borrow());
    response
}

/// The caller's thread of this id.
pub async fn own(app: &App, caller: &Caller, id: &str) -> Result<work::Thread, ApiError> {
    let uuid = Uuid::parse_str(id).map_err(|_| not_found(id))?;
    let thread = app.work.thread(uuid, caller.user.id).await?;
    thread.ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found(format!("Thread not found: {}", id.escape_default()))
}

fn present(thread: &work::Thread) -> Thread {
    Thread {
        id: thread.id.to_string(),
        title: thread.title.clone(),
        agent_id: thread.agent.to_string(),
        created_at: thread.created_at.to_string(),
        last_turn_at: thread.last_turn_at.to_string(),
    }
}
