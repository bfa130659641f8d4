//! `/api/v1/llms`: list, read, create, replace, delete, pause.

use super::{
    past::{self, PastQuery},
    rows::{Gathered, ListQuery, if_match, list, path_name},
    secrets,
    written::{IfMatch, WriteHeaders, WriteQuery, Written, idempotency, not_rebuilt, show as show_written, write},
};
use crate::{
    access,
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
    present,
    routes::openapi::{bodies, queries},
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use mcpctl_events::{
    access::{Kind, Verb},
    command::{Command, Create, DeleteRow, Put, Switch},
    definition::{Labels, LlmDefinition},
    event::Subject,
    name::Name,
    state::{Llm as Row, State as Registry},
    wire::{
        error::ErrorBody,
        rows::{ApiKeyRef, Llm},
    },
};
use mcpctl_projector::store::LlmFilter;
use std::{ops::ControlFlow, sync::Arc};

const API_KEY_REF: &str = "is {\"env\": \"NAME\"} or {\"file\": \"path\"}";

/// Lists Llms.
#[utoipa::path(get, path = "/api/v1/llms", operation_id = "listLlms", tag = "registry", params(queries::LlmQuery),
    responses((status = 200, body = Vec<Llm>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let mut filter = LlmFilter {
        rows: query.filter(&[("llm", query.llm.as_deref()), ("project", query.project.as_deref())])?,
        pool: query.pool.clone(),
    };
    query.settle(&app).await?;
    if let Some(as_of) = &query.as_of {
        let of_pool = |row: &Row| filter.pool.as_ref().is_none_or(|pool| **pool == **pool_of(row));
        let shown = |state: &Registry, row: &Row| {
            Some(present::past_llm(state, row)).filter(|shown| of_pool(row) && query.wants(is_callable(shown)))
        };
        return past::rows(&app, &uri, as_of, &filter.rows, seen, shown).await;
    }
    let mut gathered = Gathered::new(&filter.rows);
    let page = loop {
        let page = app.tables.llms(&filter).await?;
        let pick = |stored: &_| Some(present::stored_llm(&app, stored)).filter(|row| query.wants(is_callable(row)));
        match gathered.take(&page, pick, |row| &row.name) {
            ControlFlow::Break(page) => break page,
            ControlFlow::Continue(after) => filter.rows.after = after,
        }
    };
    Ok(list(&page.items, page.next.as_deref(), page.sequence, &uri))
}

/// What filters look at.
fn seen(definition: &LlmDefinition) -> (&Labels, Option<&str>) {
    (&definition.labels, definition.description.as_deref())
}

/// The pool of a row; of one without, its own name.
fn pool_of(row: &Row) -> &Name {
    row.definition.pool_name.as_ref().unwrap_or(&row.name)
}

/// Whether calls reach it, or can wake it.
pub(super) fn is_callable(row: &Llm) -> bool {
    row.status != "inactive" && !row.disabled && row.connected
}

/// Reads an Llm.
#[utoipa::path(get, path = "/api/v1/llms/{name}", operation_id = "getLlm", tag = "registry", params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Llm), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Json<Llm>, ApiError> {
    if let Some(as_of) = &query.as_of {
        let found = past::row(&app, as_of, &name, present::past_llm).await?;
        return found.map(Json).ok_or_else(|| not_found(&name));
    }
    let found = app.tables.llm(&name).await?;
    let found = found.value.ok_or_else(|| not_found(&name))?;
    Ok(Json(present::stored_llm(&app, &found)))
}

pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Llm not found: {}", name.escape_default()))
}

/// Creates a public Llm.
#[utoipa::path(post, path = "/api/v1/llms", operation_id = "createLlm", tag = "registry", params(WriteQuery, WriteHeaders), request_body = bodies::NewLlm,
    responses((status = 201, body = Llm), (status = "default", body = ErrorBody)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, "POST /llms", &body)?;
    let (name, command) = creation(&app, &caller, &body)?;
    let mut written = write(&app, &caller, command, key, query).await?;
    let row = left(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::CREATED, row))
}

/// The command that creates what a body holds.
pub(super) fn creation(app: &App, caller: &Caller, body: &[u8]) -> Result<(Name, Command), ApiError> {
    let (name, definition) = new(body)?;
    access::allow(app, caller, Verb::Create, Kind::Llm, Some(&name))?;
    may_set_key(&definition, None, caller)?;
    may_join(app, caller, Verb::Create, &definition)?;
    let create = Create { id: app.clock.id(), name: name.clone(), owner: caller.user.id, definition };
    Ok((name, Command::CreateLlm(create)))
}

/// The row that a write left.
async fn left(app: &Arc<App>, written: &mut Written, name: &Name) -> Result<Llm, ApiError> {
    let find = |state: &Registry, subjects: &[Subject]| match subjects {
        [Subject::Llm(name)] => state.llms.get(name).map(|row| present::llm(app, state, row)),
        _ => None,
    };
    let row = show_written(app, written, &[Subject::Llm(name.clone())], find).await?;
    row.ok_or_else(|| if written.is_repeat() { not_rebuilt() } else { not_found(name) })
}

/// Replaces an Llm's definition; a field left out returns to its default.
#[utoipa::path(put, path = "/api/v1/llms/{name}", operation_id = "replaceLlm", tag = "registry", params(("name" = String, Path), WriteQuery, WriteHeaders, IfMatch),
    request_body = bodies::ReplacedLlm, responses((status = 200, body = Llm), (status = "default", body = ErrorBody)))]
pub async fn replace(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, &format!("PUT /llms/{name}"), &body)?;
    let name = path_name::<LlmDefinition>(&app, &name)?;
    let command = replacement(&app, &caller, &name, if_match(&headers)?, &body)?;
    let mut written = write(&app, &caller, command, key, query).await?;
    let row = left(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::OK, row))
}

/// The command that replaces a row's definition by what a body holds.
pub(super) fn replacement(
    app: &App,
    caller: &Caller,
    name: &Name,
    if_match: Option<u64>,
    body: &[u8],
) -> Result<Command, ApiError> {
    // A row that is not there has no name to be wrong about: that it is not there is what is said then.
    let old = app.look(|state| state.llms.get(name).map(|row| row.definition.clone()));
    let definition = redefined(old.is_some().then_some(name), body)?;
    may_set_key(&definition, old.as_deref(), caller)?;
    may_join(app, caller, Verb::Edit, &definition)?;
    let by = access::hand(app, caller, Verb::Edit, Kind::Llm, name);
    Ok(Command::PutLlm(Put { name: name.clone(), by, if_match, definition }))
}

fn new(body: &[u8]) -> Result<(Name, LlmDefinition), ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let name = fields.required_name("name");
    let definition = definition(fields);
    problems.check(name.zip(definition))
}

fn redefined(name: Option<&Name>, body: &[u8]) -> Result<LlmDefinition, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let given = fields.string("name");
    if given.zip(name).is_some_and(|(given, name)| given != **name) {
        fields.problem("name", "can't be changed: it is the name in the path");
    }
    let definition = definition(fields);
    problems.check(definition)
}

fn definition(mut fields: Fields<'_>) -> Option<LlmDefinition> {
    let (type_, model) = (fields.required_string("type"), fields.required_string("model"));
    let url = url(&mut fields, type_.as_deref());
    let api_key_ref = api_key_ref(&mut fields);
    let extra_config = fields.object("extraConfig");
    secrets::refuse(&fields, "extraConfig", extra_config.as_ref());
    let (tier, description) = (fields.string("tier"), fields.string("description"));
    let (pool_name, labels) = (fields.name("poolName"), fields.labels("labels"));
    let max_concurrent = fields.count("maxConcurrent");
    fields.refuse_unknown();
    Some(LlmDefinition {
        type_: type_?,
        model: model?,
        url: Some(url?),
        tier,
        description,
        pool_name,
        api_key_ref,
        extra_config,
        max_concurrent,
        max_wait_seconds: None,
        labels: labels.unwrap_or_default(),
    })
}

/// Only admins say where a key is, and where it is sent to: others could send any file of the server to a host of theirs.
/// Whatever passes here with a key was set by an admin just so, however often the row has changed since it was looked at.
fn may_set_key(new: &LlmDefinition, old: Option<&LlmDefinition>, caller: &Caller) -> Result<(), ApiError> {
    let key = old.and_then(|old| old.api_key_ref.as_ref());
    if new.api_key_ref.as_ref() != key {
        return caller.must_be_admin("set", "the `apiKeyRef` of an Llm");
    }
    if key.is_some() && old.is_some_and(|old| old.url != new.url) {
        return caller.must_be_admin("change", "the `url` of an Llm that has an `apiKeyRef`");
    }
    Ok(())
}

/// Whoever acts by a grant joins no pool that it does not name: calls of that would be theirs to answer.
fn may_join(app: &App, caller: &Caller, verb: Verb, definition: &LlmDefinition) -> Result<(), ApiError> {
    let Some(pool) = &definition.pool_name else { return Ok(()) };
    access::allow_besides(app, caller, verb, (verb, Kind::Llm, pool))
}

fn url(fields: &mut Fields<'_>, type_: Option<&str>) -> Option<String> {
    if fields.is_empty("url") {
        let kind = type_.unwrap_or("openai");
        let sentence = format!("{kind}: url is required (no default endpoint for this provider)");
        fields.problems().say(fields.at("url"), &sentence);
        return None;
    }
    fields.url("url", "; use `apiKeyRef`")
}

fn api_key_ref(fields: &mut Fields<'_>) -> Option<ApiKeyRef> {
    let value = fields.raw("apiKeyRef")?;
    secrets::place(fields, "apiKeyRef", value, API_KEY_REF)
}

/// Deletes an Llm and the virtual agents pinned to it.
#[utoipa::path(delete, path = "/api/v1/llms/{name}", operation_id = "deleteLlm", tag = "registry", params(("name" = String, Path), WriteQuery, WriteHeaders),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = idempotency(&headers, &caller, &format!("DELETE /llms/{name}"), b"")?;
    let name = path_name::<LlmDefinition>(&app, &name)?;
    let mut written = write(&app, &caller, deletion(&app, &caller, name), key, query).await?;
    show_written(&app, &mut written, &[], |_, _| ()).await?;
    Ok(written.empty())
}

/// The command that deletes a row; whether the caller may is asked of its path.
pub(super) fn deletion(app: &App, caller: &Caller, name: Name) -> Command {
    let by = access::hand(app, caller, Verb::Delete, Kind::Llm, &name);
    Command::DeleteLlm(DeleteRow { name, by })
}

/// Pauses an Llm, or ends the pause.
#[utoipa::path(post, path = "/api/v1/llms/{name}/{switch}", operation_id = "switchLlm", tag = "registry",
    params(("name" = String, Path), ("switch" = String, Path, description = "disable or enable"), WriteQuery, WriteHeaders),
    responses((status = 200, body = Llm), (status = "default", body = ErrorBody)))]
pub async fn switch(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path((name, switch)): Path<(String, String)>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = idempotency(&headers, &caller, &format!("POST /llms/{name}/{switch}"), b"")?;
    let name = path_name::<LlmDefinition>(&app, &name)?;
    access::allow(&app, &caller, Verb::Edit, Kind::Llm, Some(&name))?;
    let disabled = super::disabled(&switch)?;
    let command = Command::SwitchLlm(Switch { name: name.clone(), disabled });
    let mut written = write(&app, &caller, command, key, query).await?;
    let row = left(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::OK, row))
}
