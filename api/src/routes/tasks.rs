//! `/api/v1/inference-tasks`: calls that are answered later.

use super::{
    rows::read,
    written::{WriteHeaders, client_key, set_sequence},
};
use crate::{
    access,
    app::App,
    auth::Caller,
    call::{self, Reply, error_event, held},
    cluster::proxy::{Passed, PassedOn, pass_on},
    durable::{self, Follow, PATHS},
    error::ApiError,
    json::{self, Fields, Problems},
    limits::Limit,
    relay::object::Whole,
    request::ModelRequest,
    routes::openapi::bodies,
    writer::WriteError,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use mcpctl_events::{
    access::{Kind, Verb},
    event::token::Role,
    hash::Hash,
    wire::{
        SEQUENCE_HEADER,
        error::ErrorBody,
        tasks::{InferenceTask, TaskResponse},
    },
};
use mcpctl_projector::store::work::{self, Asks, NewTask, TaskStatus};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{convert::Infallible, sync::Arc, time::Duration};
use uuid::Uuid;

/// How many bytes the open tasks of one user may ask with.
const MOST_BYTES: u64 = 1 << 30;
const USUAL_LIMIT: u64 = 1000;
/// How long another server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a follower looks at a task that has not begun.
const LOOK: Duration = Duration::from_millis(200);

/// Query of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksQuery {
    limit: Option<String>,
    /// Everybody's: for admins.
    #[serde(default)]
    all: bool,
}

/// Stores a call, and answers it when there is a publisher for it.
#[utoipa::path(post, path = "/api/v1/inference-tasks", operation_id = "createInferenceTask", tag = "calls", params(WriteHeaders),
    request_body = bodies::TaskRequest,
    responses((status = 202, body = InferenceTask), (status = "default", body = ErrorBody)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let (asks, path, request) = parse(&body)?;
    if durable::target(&app, &asks).is_none() {
        let (Asks::Llm(name) | Asks::Pool(name)) = &asks;
        let what = if matches!(asks, Asks::Llm(_)) { "Llm" } else { "pool" };
        return Err(ApiError::not_found(format!("{what} not found: {}", name.escape_default())));
    }
    let (Asks::Llm(name) | Asks::Pool(name)) = &asks;
    access::allow(&app, &caller, Verb::Run, Kind::Llm, Some(name))?;
    let key = key(&headers, &body)?;
    if let Some((key, hash)) = &key
        && let Some(first) = repeat(&app, &caller, key, hash).await?
    {
        return Ok(numbered(&app, (StatusCode::ACCEPTED, Json(present(first)))));
    }
    let (id, at) = (app.clock.id(), app.clock.now());
    let task = NewTask { id, owner: caller.user.id, asks, path, request, key, at };
    let stored = if app.work.create_task(&task, (app.config.args.max_tasks_per_user as u64, MOST_BYTES)).await? {
        app.durable.wake();
        app.work.task(id, Some(caller.user.id)).await?
    } else {
        let first = match &task.key {
            // The same request was faster.
            Some((key, hash)) => repeat(&app, &caller, key, hash).await?,
            None => None,
        };
        if first.is_none() {
            return Err(too_many(&app, &caller).await?);
        }
        first
    };
    let stored = stored.ok_or_else(|| ApiError::internal("a task is gone right after it was stored"))?;
    Ok(numbered(&app, (StatusCode::ACCEPTED, Json(present(stored)))))
}

async fn too_many(app: &App, caller: &Caller) -> Result<ApiError, ApiError> {
    let (count, bytes) = app.work.open_tasks(caller.user.id).await?;
    let most = app.config.args.max_tasks_per_user;
    let message = format!(
        "you have {count} open inference tasks of {bytes} bytes; {most}, the limit of --max-tasks-per-user, and {MOST_BYTES} bytes are the most there may be"
    );
    let error = Limit::Tasks.refuse(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_TASKS", message);
    Ok(ApiError { retry_after: Some(60), ..error })
}

/// The client's key, and the hash of what it asks.
fn key(headers: &HeaderMap, body: &[u8]) -> Result<Option<(String, String)>, ApiError> {
    Ok(client_key(headers)?.map(|key| (key.to_owned(), Hash::of(body).to_string())))
}

/// The task that was made with this key before.
async fn repeat(app: &App, caller: &Caller, key: &str, hash: &str) -> Result<Option<work::InferenceTask>, ApiError> {
    match app.work.task_of_key(caller.user.id, key).await? {
        None => Ok(None),
        Some((_, asked)) if asked != hash => Err(WriteError::KeyOfAnotherRequest.into()),
        Some((id, _)) => Ok(app.work.task(id, Some(caller.user.id)).await?),
    }
}

fn parse(body: &[u8]) -> Result<(Asks, String, String), ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let (llm, pool) = (fields.string("llm"), fields.string("pool"));
    let path = fields.string("path").unwrap_or_else(|| PATHS[0].to_owned());
    if !PATHS.contains(&&*path) {
        fields.problem("path", format!("is one of {}", PATHS.join(", ")));
    }
    let request = fields.raw("request").map(|request| request.get().to_owned());
    match &request {
        None => fields.problem("request", "is required: what the model server is to get"),
        Some(request) => {
            if let Err(error) = ModelRequest::parse(request.clone().into()) {
                fields.problem("request", error.message);
            }
        }
    }
    let asks = match (llm, pool) {
        (Some(llm), None) => Some(Asks::Llm(llm)),
        (None, Some(pool)) => Some(Asks::Pool(pool)),
        _ => {
            fields.problem("llm", "either `llm` or `pool` is required");
            None
        }
    };
    fields.refuse_unknown();
    problems.check(asks.zip(request).map(|(asks, request)| (asks, path, request)))
}

/// Lists the caller's tasks, the newest first, without their answers.
#[utoipa::path(get, path = "/api/v1/inference-tasks", operation_id = "listInferenceTasks", tag = "calls",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("all" = Option<bool>, Query, description = "everybody's; for admins")),
    responses((status = 200, body = Vec<InferenceTask>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<TasksQuery>,
) -> Result<Response, ApiError> {
    let problems = Problems::default();
    let limit = |text: &str| text.parse().ok().filter(|limit| (1..=USUAL_LIMIT).contains(limit));
    let limit = read(&problems, "limit", query.limit.as_deref(), "is a whole number from 1 to 1000", limit);
    let limit = problems.check(Some(limit.unwrap_or(USUAL_LIMIT)))?;
    if query.all {
        caller.must_be_admin("view", "the inference tasks of others")?;
    }
    let tasks = app.work.tasks((!query.all).then_some(caller.user.id), limit).await?;
    Ok(numbered(&app, Json(tasks.into_iter().map(present).collect::<Vec<_>>())))
}

/// Reads a task, with its answer if that is there.
#[utoipa::path(get, path = "/api/v1/inference-tasks/{id}", operation_id = "getInferenceTask", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = InferenceTask), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<InferenceTask>, ApiError> {
    Ok(Json(present(own(&app, &caller, &id).await?)))
}

/// Cancels a task; its publisher is told, if it has it.
#[utoipa::path(delete, path = "/api/v1/inference-tasks/{id}", operation_id = "cancelInferenceTask", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = InferenceTask), (status = "default", body = ErrorBody)))]
pub async fn cancel(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    passed_on: Option<Extension<PassedOn>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let task = own(&app, &caller, &id).await?;
    if let Some(node) = elsewhere(&app, task.asked.id, passed_on).await? {
        let path = format!("/api/v1/inference-tasks/{}", task.asked.id);
        let (method, body, patience) = (Method::DELETE, Body::empty(), Some(PATIENCE));
        let passed = Passed { method, path: &path, headers, body, patience };
        if let Ok(answer) = pass_on(&app, &node, passed).await {
            return Ok(answer);
        }
        // It is gone: then it is over with the task itself.
    }
    if !app.work.cancel_task(task.asked.id, app.clock.now()).await? {
        let task = own(&app, &caller, &id).await?;
        let message = format!("task {id} is over already: {}", task.status.as_str());
        return Err(ApiError::new(StatusCode::CONFLICT, "TASK_OVER", message));
    }
    app.durable.cancel(task.asked.id);
    Ok(numbered(&app, Json(present(own(&app, &caller, &id).await?))))
}

/// Follows the answer of a task from its beginning; waits for it to begin.
#[utoipa::path(get, path = "/api/v1/inference-tasks/{id}/stream", operation_id = "streamInferenceTask", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, description = "the answer as server-sent events; a comment whenever nothing is said for a while"),
        (status = "default", body = ErrorBody)))]
pub async fn follow(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    passed_on: Option<Extension<PassedOn>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let task = own(&app, &caller, &id).await?;
    let asked = Asked { headers, passed_on };
    let waiting = async move { begin(app, caller, task.asked.owner, task.asked.id, asked).await };
    held::respond(Box::pin(waiting), error_event).await
}

/// Who asks, to be passed on.
struct Asked {
    headers: HeaderMap,
    passed_on: Option<Extension<PassedOn>>,
}

/// Whether it is an answer that goes on; a whole one is in the store by now.
fn is_stream(answer: &Response) -> bool {
    let content_type =
        answer.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().starts_with(b"text/event-stream"));
    answer.status() == StatusCode::OK && content_type == Some(true)
}

/// A stream that another server sends, and that ends with an error if that server is lost.
fn to_its_end(body: Body) -> Body {
    let pieces = body.into_data_stream().map(|piece| {
        let lost = "the server that is at work on the task was lost, and the task begins anew: follow it again";
        let lost = ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_DISCONNECTED", lost);
        Ok::<_, Infallible>(piece.unwrap_or_else(|_| error_event(&lost)))
    });
    Body::from_stream(pieces)
}

/// The server that is at work on a task, if it is another one, and was not asked already.
async fn elsewhere(app: &App, task: Uuid, passed_on: Option<Extension<PassedOn>>) -> Result<Option<String>, ApiError> {
    if passed_on.is_some() || app.cluster.is_none() {
        return Ok(None);
    }
    let node = app.work.task_is_at(task).await?;
    // A secret goes only to those that the log knows.
    Ok(node.filter(|node| app.is_known(node)))
}

/// Waits until the answer begins, or is there.
async fn begin(app: Arc<App>, caller: Caller, owner: Uuid, id: Uuid, asked: Asked) -> Result<Reply, ApiError> {
    loop {
        caller.check_welcome(&app)?;
        if let Some(answer) = app.durable.answer(id) {
            let mut follow = Follow::new(answer);
            let first = tokio::select! {
                biased;
                unwelcome = caller.until_unwelcome(&app) => return Err(unwelcome),
                first = follow.next() => first,
            };
            if let Some(first) = first {
                return Ok(Reply::Stream(Body::from_stream(rest(app, caller, owner, id, first, follow))));
            }
        }
        let task = app.work.task(id, Some(owner)).await?.ok_or_else(|| not_found(&id.to_string()))?;
        if task.status.is_final() {
            return ended(task);
        }
        if let Some(node) = elsewhere(&app, id, asked.passed_on).await? {
            let path = format!("/api/v1/inference-tasks/{id}/stream");
            let headers = asked.headers.clone();
            let (method, body, patience) = (Method::GET, Body::empty(), Some(held::LONGEST_SILENCE + PATIENCE));
            let passed = Passed { method, path: &path, headers, body, patience };
            match pass_on(&app, &node, passed).await {
                Ok(answer) if is_stream(&answer) => return Ok(Reply::Stream(to_its_end(answer.into_body()))),
                // It may be done by now, or begin anew.
                _ => {}
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = app.stopping.cancelled() => return Err(call::stopping()),
        }
    }
}

/// What was said first, then the rest as it comes. An answer that is broken off, and begun anew elsewhere, ends with an
/// error: what was said cannot be taken back.
fn rest(
    app: Arc<App>,
    caller: Caller,
    owner: Uuid,
    id: Uuid,
    first: Bytes,
    follow: Follow,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((Some(first), Some((app, follow))), move |(first, following)| {
        let caller = caller.clone();
        async move {
            if let Some(first) = first {
                return Some((Ok(first), (None, following)));
            }
            let (app, mut follow) = following?;
            let piece = tokio::select! {
                biased;
                unwelcome = caller.until_unwelcome(&app) => return Some((Ok(error_event(&unwelcome)), (None, None))),
                piece = follow.next() => piece,
            };
            if let Some(piece) = piece {
                return Some((Ok(piece), (None, Some((app, follow)))));
            }
            let error = match app.work.task(id, Some(owner)).await.ok().flatten() {
                Some(task) if task.status == TaskStatus::Completed => return None,
                Some(task) if task.status.is_final() => ended(task).err(),
                _ => None,
            };
            let error = error.unwrap_or_else(|| {
                let message = "the answer broke off, and the task begins anew: follow it again";
                ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_DISCONNECTED", message)
            });
            Some((Ok(error_event(&error)), (None, None)))
        }
    })
}

fn ended(task: work::InferenceTask) -> Result<Reply, ApiError> {
    if let Some(error) = task.error {
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, "TASK_FAILED", format!("{} ({})", error.error, error.code)));
    }
    let Some(answer) = task.answer else {
        return Err(ApiError::new(StatusCode::GONE, "TASK_OVER", "the task was cancelled"));
    };
    if answer.content_type.starts_with("text/event-stream") {
        return Ok(Reply::Stream(Body::from(answer.text)));
    }
    let content_type = answer.content_type.into();
    Ok(Reply::Whole(Whole { status: answer.status, content_type, body: answer.text.into() }))
}

/// The task of this id, if it is the caller's; an admin's are all.
async fn own(app: &App, caller: &Caller, id: &str) -> Result<work::InferenceTask, ApiError> {
    let uuid = Uuid::parse_str(id).map_err(|_| not_found(id))?;
    let owner = (caller.role != Role::Admin).then_some(caller.user.id);
    app.work.task(uuid, owner).await?.ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found(format!("task not found: {}", id.escape_default()))
}

fn present(task: work::InferenceTask) -> InferenceTask {
    let (llm, pool) = match task.asked.asks {
        Asks::Llm(name) => (Some(name), None),
        Asks::Pool(name) => (None, Some(name)),
    };
    let response = task.answer.map(|answer| {
        let json = answer.content_type.contains("json").then(|| RawValue::from_string(answer.text.clone()).ok());
        let (body, text) = match json.flatten() {
            Some(body) => (Some(body), None),
            None => (None, Some(answer.text)),
        };
        TaskResponse { status: answer.status, content_type: answer.content_type, body, text }
    });
    let (error, code) = task.error.map(|error| (error.error, error.code)).unzip();
    InferenceTask {
        id: task.asked.id.to_string(),
        owner_id: task.asked.owner.to_string(),
        llm,
        pool,
        path: task.asked.path,
        status: task.status.as_str().to_owned(),
        attempts: task.attempts,
        answered_by: task.answered_by,
        response,
        error,
        code,
        created_at: task.asked.at.to_string(),
        claimed_at: task.claimed_at.map(|at| at.to_string()),
        finished_at: task.finished_at.map(|at| at.to_string()),
    }
}

/// Tasks are on no log; the header says how far the registry's tables are, as everywhere.
fn numbered(app: &App, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, *app.projected.borrow());
    response
}
