//! `/api/v1/grants`: what users may do besides what the roles of their tokens allow.

use super::written::{WriteHeaders, WriteQuery, idempotency, set_sequence, write};
use crate::{
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
    routes::openapi::{bodies, values},
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    access::{BadGrant, Grant},
    command::{Command, GrantTo},
    name::Name,
    time::LogTime,
    wire::{SEQUENCE_HEADER, access::GrantRow, error::ErrorBody},
};
use std::sync::Arc;

/// Lists grants, by user.
#[utoipa::path(get, path = "/api/v1/grants", operation_id = "listGrants", tag = "access",
    responses((status = 200, body = Vec<GrantRow>), (status = "default", body = ErrorBody)))]
pub async fn index(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    caller.must_be_admin("view", "grants")?;
    let replica = app.replica();
    let all = replica.state.grants.iter();
    let shown = all.flat_map(|(user, grants)| grants.iter().map(|(grant, at)| present(user, grant, *at)));
    let mut response = Json(shown.collect::<Vec<_>>()).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, replica.admission.last_sequence);
    Ok(response)
}

/// Lets a user do something more, with any of their tokens.
#[utoipa::path(post, path = "/api/v1/grants", operation_id = "createGrant", tag = "access", params(WriteQuery, WriteHeaders),
    request_body = bodies::GrantRequest, responses((status = 201, body = GrantRow), (status = "default", body = ErrorBody)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    caller.must_be_admin("create", "grants")?;
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, "POST /grants", &body)?;
    let wanted = read(&body)?;
    let written = write(&app, &caller, Command::Grant(wanted.clone()), key, query).await?;
    let since = app.look(|state| state.grants.get(&wanted.user)?.get(&wanted.grant).copied());
    let since = since.unwrap_or_else(|| app.clock.now());
    Ok(written.answer(StatusCode::CREATED, present(&wanted.user, &wanted.grant, since)))
}

/// Takes a grant back.
#[utoipa::path(delete, path = "/api/v1/grants/{user}/{verb}/{kind}/{names}", operation_id = "deleteGrant", tag = "access",
    params(("user" = values::Name, Path), ("verb" = values::GrantVerb, Path), ("kind" = values::GrantKind, Path),
        ("names" = values::Glob, Path, description = "a name, or a glob"), WriteQuery, WriteHeaders),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path((user, verb, kind, names)): Path<(String, String, String, String)>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.must_be_admin("delete", "grants")?;
    let key = idempotency(&headers, &caller, &format!("DELETE /grants/{user}/{verb}/{kind}/{names}"), b"")?;
    let not_found = |_| ApiError::not_found(format!("User not found: {}", user.escape_default()));
    let user = Name::parse(&user).map_err(not_found)?;
    let grant = Grant::parse(&verb, &format!("{kind}/{names}"));
    // What cannot be granted is granted to nobody.
    let grant = grant.map_err(|error| ApiError::not_found(format!("no such grant: {error}")))?;
    let written = write(&app, &caller, Command::Withdraw(GrantTo { user, grant }), key, query).await?;
    Ok(written.empty())
}

fn read(body: &[u8]) -> Result<GrantTo, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let user = fields.required_name("user");
    let (verb, resource) = (fields.required_string("verb"), fields.required_string("resource"));
    let grant = verb.zip(resource).and_then(|(verb, resource)| {
        let grant = Grant::parse(&verb, &resource);
        grant.map_err(|error| problems.add(pointer(&error), error.to_string())).ok()
    });
    fields.refuse_unknown();
    problems.check(user.zip(grant).map(|(user, grant)| GrantTo { user, grant }))
}

fn pointer(error: &BadGrant) -> &'static str {
    match error {
        BadGrant::Verb => "/verb",
        BadGrant::Resource | BadGrant::Foreign(_) => "/resource",
    }
}

fn present(user: &Name, grant: &Grant, since: LogTime) -> GrantRow {
    GrantRow {
        user: user.to_string(),
        verb: grant.verb.as_str().to_owned(),
        resource: grant.resource(),
        created_at: since.to_string(),
    }
}
