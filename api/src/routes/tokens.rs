//! `/api/v1/tokens`: who may come in, and what they may do.

use super::written::{WriteHeaders, WriteQuery, idempotency, set_sequence, write};
use crate::{
    app::App,
    auth::Caller,
    config::duration,
    credentials,
    error::ApiError,
    json::{self, Fields, Problems},
    routes::openapi::bodies,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    command::{Command, IssueToken},
    event::token::Role,
    hash::Hash,
    name::Name,
    wire::{
        SEQUENCE_HEADER,
        error::ErrorBody,
        tokens::{NewToken, Token},
    },
};
use std::{sync::Arc, time::Duration};

const ROLE: &str = "is viewer, chatter, publisher, editor or admin";

/// Lists tokens, by name, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "access",
    responses((status = 200, body = Vec<Token>), (status = "default", body = ErrorBody)))]
pub async fn index(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    caller.must_be_admin("view", "tokens")?;
    let replica = app.replica();
    let mut tokens: Vec<_> = replica.state.tokens.values().collect();
    tokens.sort_unstable_by_key(|token| &token.name);
    let shown = tokens.iter().map(|token| Token {
        name: token.name.to_string(),
        user: token.user.to_string(),
        role: token.role.as_str().to_owned(),
        expires_at: token.expires_at.map(|end| end.to_string()),
        created_at: token.created_at.to_string(),
        last_used_at: app.uses.last(token.id).map(|at| at.to_string()),
    });
    let mut response = Json(shown.collect::<Vec<_>>()).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, replica.admission.last_sequence);
    Ok(response)
}

/// Makes a token, and its user if that is new. The secret is shown this once.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "createToken", tag = "access", params(WriteQuery, WriteHeaders),
    request_body = bodies::TokenRequest, responses((status = 201, body = NewToken), (status = "default", body = ErrorBody)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    caller.must_be_admin("create", "tokens")?;
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, "POST /tokens", &body)?;
    let wanted = Wanted::read(&body)?;
    let secret = credentials::random();
    let expires_at = wanted.expires_in.map(|lasts| app.clock.now().plus(lasts));
    let issue = IssueToken {
        id: app.clock.id(),
        name: wanted.name.clone(),
        user: wanted.user.clone(),
        user_id: app.clock.id(),
        role: wanted.role,
        sha256: Hash::of(secret.as_bytes()),
        expires_at,
        replaces: false,
    };
    let written = write(&app, &caller, Command::IssueToken(issue), key, query).await?;
    if written.is_repeat() {
        return Err(shown_once(&wanted.name));
    }
    let made = NewToken {
        name: wanted.name.to_string(),
        user: wanted.user.to_string(),
        role: wanted.role.as_str().to_owned(),
        expires_at: expires_at.map(|end| end.to_string()),
        token: secret,
    };
    Ok(written.answer(StatusCode::CREATED, made))
}

/// Revokes a token: it stops working at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", operation_id = "revokeToken", tag = "access",
    params(("name" = String, Path), WriteQuery, WriteHeaders), responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.must_be_admin("delete", "tokens")?;
    let known = Name::parse(&name);
    let known = known.map_err(|_| ApiError::not_found(format!("Token not found: {}", name.escape_default())))?;
    let key = idempotency(&headers, &caller, &format!("DELETE /tokens/{name}"), b"")?;
    let written = write(&app, &caller, Command::RevokeToken(known), key, query).await?;
    Ok(written.empty())
}

/// What a repeat of a request gets that has made a token.
fn shown_once(name: &Name) -> ApiError {
    let message = format!(
        "token '{name}' was made by this key's first request, and a token is shown once; revoke it and make another"
    );
    ApiError::new(StatusCode::CONFLICT, "SHOWN_ONCE", message)
}

struct Wanted {
    name: Name,
    user: Name,
    role: Role,
    expires_in: Option<Duration>,
}

impl Wanted {
    fn read(body: &[u8]) -> Result<Self, ApiError> {
        let problems = Problems::default();
        let mut fields = Fields::parse(body, &problems)?;
        let (name, user) = (fields.required_name("name"), fields.name("user"));
        let role = fields.required_string("role").and_then(|word| {
            let role = Role::ALL.into_iter().find(|role| role.as_str() == word);
            if role.is_none() {
                problems.add("/role", ROLE);
            }
            role
        });
        let expires_in = fields.string("expiresIn").and_then(|text| match duration::parse(&text) {
            Ok(lasts) if !lasts.is_zero() => Some(lasts),
            Ok(_) => {
                problems.add("/expiresIn", "is more than nothing, such as 90d");
                None
            }
            Err(reason) => {
                problems.add("/expiresIn", reason);
                None
            }
        });
        fields.refuse_unknown();
        let wanted = name.zip(role).map(|(name, role)| Self {
            user: user.unwrap_or_else(|| name.clone()),
            name,
            role,
            expires_in,
        });
        problems.check(wanted)
    }
}
