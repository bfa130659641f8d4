//! Public Llms: the server calls the model's own URL. Bodies pass as they came.

use super::{Asked, Reply, boundary::Boundary, held::LateError, stopping};
use crate::{
    app::App,
    error::ApiError,
    relay::{object::Whole, places::Place},
    upstream,
};
use axum::{body::Body, http::StatusCode};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use mcpctl_events::{name::Name, state::Llm, wire::rows::ApiKeyRef};
use secrecy::{ExposeSecret, SecretString};
use std::convert::Infallible;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

/// Most bytes of a key.
const MAX_KEY: u64 = 64 << 10;
/// Largest whole answer of a model server.
const MAX_ANSWER: usize = 64 << 20;

/// The address of `path` under a base URL: trailing slashes and then one exact `/v1` go, `/v1/…` is added.
pub fn endpoint(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    format!("{base}{path}")
}

/// Asks the model's own server. The place is kept until all of the answer was read.
pub(super) async fn call(app: &App, llm: &Llm, place: Place, asked: &Asked) -> Result<Reply, ApiError> {
    let definition = &llm.definition;
    let Some(base) = definition.url.as_deref() else {
        let message = format!("{}: url is required (no default endpoint for this provider)", definition.type_);
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, "NO_URL", message));
    };
    let url = endpoint(base, asked.path);
    let client = app.upstream.client().await.map_err(ApiError::internal)?;
    let mut post = client.post(&url).header("content-type", "application/json");
    if let Some(key) = key(definition.api_key_ref.as_ref()).await? {
        post = post.bearer_auth(key.expose_secret());
    }
    let send = post.body(asked.request.with_model(&definition.model)).send();
    let response = tokio::select! {
        response = tokio::time::timeout(app.config.args.first_byte_timeout, send) => response,
        () = app.failing.cancelled() => return Err(stopping()),
    };
    let response = response.map_err(|_| gateway_timeout(llm))?.map_err(|error| unreachable_upstream(llm, &error))?;
    let status = response.status().as_u16();
    if status < 200 {
        let message = format!("the model server of '{}' answered {status}, which is no answer", llm.name);
        return Err(ApiError::new(StatusCode::BAD_GATEWAY, "UPSTREAM_ERROR", message));
    }
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/json").to_owned();
    if asked.request.streaming && status == 200 && content_type.starts_with("text/event-stream") {
        return Ok(Reply::Stream(stream(app, llm, place, response, asked.late_error)));
    }
    let body = tokio::select! {
        body = tokio::time::timeout(app.config.args.task_timeout, whole(llm, response)) => body,
        () = app.failing.cancelled() => return Err(stopping()),
    };
    let body = body.map_err(|_| gateway_timeout(llm))??;
    Ok(Reply::Whole(Whole { status, content_type: content_type.into(), body }))
}

/// A stream that says so when it breaks, falls silent, or takes too long.
fn stream(app: &App, llm: &Llm, place: Place, response: reqwest::Response, late_error: LateError) -> Body {
    let (idle, total) = (app.config.args.idle_timeout, Instant::now() + app.config.args.task_timeout);
    let failing = app.failing.clone();
    let reading = Some((Box::pin(response.bytes_stream()), llm.name.clone(), place, Boundary::default()));
    Body::from_stream(stream::unfold((reading, failing), move |(reading, failing)| async move {
        let (mut pieces, name, place, mut boundary) = reading?;
        let deadline = (Instant::now() + idle).min(total);
        let next = tokio::select! {
            next = timeout_at(deadline, pieces.next()) => next,
            () = failing.cancelled() => {
                return Some((Ok(last_event(boundary, &stopping(), late_error)), (None, failing)));
            }
        };
        let (piece, rest) = match next {
            Ok(None) => return None,
            Ok(Some(Ok(piece))) => {
                boundary.see(&piece);
                (piece, Some((pieces, name, place, boundary)))
            }
            Ok(Some(Err(error))) => (last_event(boundary, &broken(&name, error), late_error), None),
            Err(_) => (last_event(boundary, &silent(&name), late_error), None),
        };
        Some((Ok::<_, Infallible>(piece), (rest, failing)))
    }))
}

/// The error as an event of its own, also when the stream broke off within one.
fn last_event(boundary: Boundary, error: &ApiError, late_error: LateError) -> Bytes {
    let event = late_error(error);
    if boundary.is_between_events() { event } else { [&b"\n\n"[..], &event].concat().into() }
}

fn broken(name: &Name, error: reqwest::Error) -> ApiError {
    let message = format!("the model server of '{name}' broke off: {}", error.without_url());
    ApiError::new(StatusCode::BAD_GATEWAY, "UPSTREAM_ERROR", message)
}

fn silent(name: &Name) -> ApiError {
    let message = format!("the model server of '{name}' fell silent within the answer, or took too long");
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "TIMED_OUT", message)
}

async fn whole(llm: &Llm, response: reqwest::Response) -> Result<Bytes, ApiError> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.try_next().await.map_err(|error| unreachable_upstream(llm, &error))? {
        if body.len() + piece.len() > MAX_ANSWER {
            let message = format!("the model server of '{}' answered more than {MAX_ANSWER} bytes", llm.name);
            return Err(ApiError::new(StatusCode::BAD_GATEWAY, "UPSTREAM_TOO_LARGE", message));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// Reads the key now; the key itself is never stored.
async fn key(reference: Option<&ApiKeyRef>) -> Result<Option<SecretString>, ApiError> {
    let missing = |what: String| Err(ApiError::new(StatusCode::BAD_GATEWAY, "API_KEY_UNREADABLE", what));
    let key: SecretString = match reference {
        Some(ApiKeyRef { env: Some(name), .. }) => match std::env::var(name) {
            Ok(key) => key.into(),
            Err(_) => return missing(format!("environment variable {name} of the server holds no API key")),
        },
        Some(ApiKeyRef { file: Some(path), .. }) => match read_key(path).await {
            Ok(key) => key,
            Err(error) => return missing(format!("the file of the API key cannot be read: {error}")),
        },
        _ => return Ok(None),
    };
    let key = key.expose_secret().trim();
    Ok((!key.is_empty()).then(|| SecretString::from(key)))
}

/// A file that is no key may have no end.
async fn read_key(path: &str) -> std::io::Result<SecretString> {
    let mut key = String::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(MAX_KEY + 1).read_to_string(&mut key).await?;
    if key.len() as u64 > MAX_KEY {
        return Err(std::io::Error::other(format!("it is longer than {MAX_KEY} bytes")));
    }
    Ok(key.into())
}

fn unreachable_upstream(llm: &Llm, error: &reqwest::Error) -> ApiError {
    let message = format!("the model server of '{}' cannot be reached: {}", llm.name, upstream::reason(error));
    ApiError::new(StatusCode::BAD_GATEWAY, "UPSTREAM_ERROR", message)
}

fn gateway_timeout(llm: &Llm) -> ApiError {
    let message = format!("the model server of '{}' did not answer in time", llm.name);
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "TIMED_OUT", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exact_v1_is_stripped() {
        for base in ["http://h", "http://h/", "http://h/v1", "http://h/v1/", "http://h/v1//"] {
            assert_eq!(endpoint(base, "/v1/chat/completions"), "http://h/v1/chat/completions", "{base}");
        }
        assert_eq!(endpoint("http://h/v1beta", "/v1/x"), "http://h/v1beta/v1/x");
        assert_eq!(endpoint("http://h/v1/v1", "/v1/x"), "http://h/v1/v1/x");
    }
}
