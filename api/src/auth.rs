//! Who calls: the bearer token, looked up by its hash in the fold.

use crate::{app::App, config::Auth, error::ApiError};
use axum::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, HOST, ORIGIN},
};
use mcpctl_events::{
    command::User,
    event::token::Role,
    hash::Hash,
    name::Name,
    record::Actor,
    state::Token,
    time::LogTime,
    wire::server::{is_host_of, is_this_machine},
};
use std::time::Duration;

/// How often is looked whether a token is over.
const LOOK: Duration = Duration::from_secs(1);
const BEARER: &[u8] = b"Bearer ";

/// Who calls, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// What the token may do.
    pub role: Role,
    /// SHA-256 of the token; none where nobody is asked for one.
    pub token: Option<Hash>,
}

impl Caller {
    /// As the actor of a command.
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.name.clone())
    }

    /// Whether the token still works: what goes on for long looks again and again.
    pub fn is_welcome(&self, app: &App) -> bool {
        let Some(token) = &self.token else { return true };
        let now = app.clock.now();
        app.look(|state| state.tokens.get(token).is_some_and(|known| works(known, now)))
    }

    /// Refuses to go on when the token no longer works.
    ///
    /// # Errors
    /// 401.
    pub fn check_welcome(&self, app: &App) -> Result<(), ApiError> {
        if self.is_welcome(app) { Ok(()) } else { Err(unauthorized("the token was revoked, or is over")) }
    }

    /// Waits until the token no longer works; the 401.
    pub async fn until_unwelcome(&self, app: &App) -> ApiError {
        let mut changes = app.relay.access();
        loop {
            if let Err(error) = self.check_welcome(app) {
                return error;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Refuses everyone but admins. `verb` and `resource` go into the message.
    pub fn must_be_admin(&self, verb: &str, resource: &str) -> Result<(), ApiError> {
        if self.role == Role::Admin {
            return Ok(());
        }
        let (user, mine) = (&self.user.name, self.role.as_str());
        let message =
            format!("'{user}' may not {verb} {resource}: that takes role admin, and this token has role {mine}");
        Err(ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))
    }
}

/// The [`Caller`] of a request, or a 401.
pub fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if app.config.args.auth == Auth::Off {
        return app.look(|state| {
            let admin = Name::parse("admin").ok().and_then(|name| Some((name.clone(), *state.users.get(&name)?)));
            let (name, id) = admin.ok_or_else(|| unauthorized("the registry has no user yet"))?;
            Ok(Caller { user: User { id, name }, role: Role::Admin, token: None })
        });
    }
    let token = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    let token = token.ok_or_else(|| unauthorized("send a token: `Authorization: Bearer <token>`"))?;
    let now = app.clock.now();
    app.look(|state| {
        let hash = Hash::of(token.trim_ascii());
        let known = state.tokens.get(&hash);
        let known = known.filter(|token| works(token, now));
        let known = known.ok_or_else(|| unauthorized("the token is not known or no longer valid"))?;
        app.uses.note(known.id, now);
        let user = User { id: known.user_id, name: known.user.clone() };
        Ok(Caller { user, role: known.role, token: Some(hash) })
    })
}

/// Refuses what a web page may have asked for that nobody meant to let in. Where nobody is asked for a token
/// (`--auth off`), a browser on this machine is all that it takes to be an admin: a page sends requests without reading
/// their answers, and can have its own name point here. So the server is called by this machine's names, or by its
/// `--advertise-url`, and by pages of its own or `--cors-origin`, which is for `/v1`.
///
/// # Errors
/// 403.
pub fn check_page(app: &App, headers: &HeaderMap, path: &str) -> Result<(), ApiError> {
    if app.config.args.auth != Auth::Off {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    let host = text(HOST).unwrap_or("localhost");
    if !is_this_machine(host) && !is_host_of(&app.advertise_url, host) {
        let message = format!(
            "a server without --auth is called by this machine's own names, such as localhost, and not by '{}'; name it \
             with --advertise-url",
            host.escape_default()
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
    }
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let named = app.config.args.cors_origin.iter().any(|named| named == "*" || named == origin);
    if is_host_of(origin, host) || named && path.starts_with("/v1/") {
        return Ok(());
    }
    let message = format!(
        "a page of '{}' may not call a server without --auth; for /v1, --cors-origin lets it in",
        origin.escape_default()
    );
    Err(ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))
}

/// Whether a token works at this time.
pub fn works(token: &Token, now: LogTime) -> bool {
    token.expires_at.is_none_or(|end| end > now)
}

/// The token of `Bearer <token>`; the scheme may be written in any case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(token)
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
}
