//! What every write has in common: the key of the client, waiting for the read tables, the sequence headers.

use super::repeat;
use crate::routes::openapi::values::{Key, Sequence};
use crate::{app::App, auth::Caller, error::ApiError, writer::Done};
use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    command::Command,
    event::Subject,
    hash::Hash,
    record::Idempotency,
    state::State,
    wire::{PROJECTED_HEADER, SEQUENCE_HEADER},
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use utoipa::IntoParams;

/// How long a write waits for the read tables.
const TABLES_WAIT: Duration = Duration::from_secs(5);
const MAX_KEY: usize = 255;

/// What a write asks for besides its body.
#[derive(Debug, Clone, Copy, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WriteQuery {
    /// Whether to wait, 5 s at most, until lists show the change; true if it is left out.
    #[serde(default = "yes")]
    #[param(required = false)]
    pub wait: bool,
}

/// Headers of a write, for the API's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub struct WriteHeaders {
    /// The same key and body within 24 h: the first answer again, and nothing is done twice.
    #[param(rename = "idempotency-key", value_type = Key, required = false)]
    idempotency_key: Option<String>,
}

/// The header of a change that may be refused, for the API's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub struct IfMatch {
    /// The `version` that the change is made to: 409 if there is another by now.
    #[param(rename = "if-match", value_type = Sequence, required = false)]
    if_match: Option<u64>,
}

fn yes() -> bool {
    true
}

/// The client's key for this request, if it sent one. `route` is the method and the path as it was sent: what a repeat
/// asks for may have gone by then.
pub fn idempotency(
    headers: &HeaderMap,
    caller: &Caller,
    route: &str,
    body: &[u8],
) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = client_key(headers)? else { return Ok(None) };
    let key = format!("{}\n{route}\n{key}", caller.user.name);
    Ok(Some(Idempotency { key, request_hash: Hash::of(body) }))
}

/// The key that a client sent.
pub fn client_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let is_key = |key: &&str| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().filter(is_key);
    key.map(Some).ok_or_else(|| ApiError::invalid("Idempotency-Key", "is 1 to 255 visible ASCII characters"))
}

/// Does a command for a caller, and waits for the read tables if asked to.
pub async fn write(
    app: &App,
    caller: &Caller,
    command: Command,
    idempotency: Option<Idempotency>,
    query: WriteQuery,
) -> Result<Written, ApiError> {
    let done = app.writer.write(command, caller.actor(), idempotency).await?;
    Ok(settle(app, done, query).await)
}

/// Does a command until it has nothing left to do, and waits for the read tables if anything changed.
pub async fn write_all(app: &App, caller: &Caller, command: Command, query: WriteQuery) -> Result<Written, ApiError> {
    let mut done = app.writer.write(command.clone(), caller.actor(), None).await?;
    let changed = !done.events.is_empty();
    while !done.events.is_empty() {
        done = app.writer.write(command.clone(), caller.actor(), None).await?;
    }
    Ok(settle(app, done, WriteQuery { wait: query.wait && changed }).await)
}

/// Waits until the tables hold all that is history now.
pub async fn settled(app: &App, query: WriteQuery) -> Written {
    let sequence = app.replica().admission.last_sequence;
    settle(app, Done { sequence, ..Done::default() }, query).await
}

/// Shows how a write left its subjects. A repeated command shows what its first answer showed.
pub async fn show<T>(
    app: &Arc<App>,
    written: &mut Written,
    subjects: &[Subject],
    show: impl FnOnce(&State, &[Subject]) -> T,
) -> Result<T, ApiError> {
    // The way to a record is in the tables. While they are behind, what was written is so new that its rows stand as it
    // left them.
    let Some(first) = written.repeat_of.filter(|first| *app.projected.borrow() >= *first) else {
        return Ok(match &written.left {
            Some(left) => show(left, subjects),
            None => show(&State::default(), subjects),
        });
    };
    let first = repeat::of(app, first, subjects).await?;
    written.sequence = first.last_sequence;
    Ok(show(&first.state, &first.subjects))
}

/// A repeat whose rows are gone by now, while the way to what they were is not in the tables yet.
pub fn not_rebuilt() -> ApiError {
    let message = "the first answer cannot be rebuilt yet: the read tables are behind; retry with the same key";
    ApiError::unavailable("TABLES_BEHIND", message, 1)
}

/// Waits until the tables hold what was done.
async fn settle(app: &App, done: Done, query: WriteQuery) -> Written {
    let awaited = done.repeat_of.unwrap_or(done.sequence);
    if query.wait {
        tables_reach(app.projected.clone(), awaited, TABLES_WAIT).await;
    }
    let projected = *app.projected.borrow();
    Written {
        sequence: done.sequence,
        behind: (projected < awaited).then_some(projected),
        repeat_of: done.repeat_of,
        left: done.left,
    }
}

/// Waits until the tables are at `sequence`; false if that takes too long.
pub async fn tables_reach(mut projected: watch::Receiver<u64>, sequence: u64, wait: Duration) -> bool {
    if *projected.borrow_and_update() >= sequence {
        return true;
    }
    let reached = projected.wait_for(|projected| *projected >= sequence);
    timeout(wait, reached).await.is_ok_and(|reached| reached.is_ok())
}

/// A write that is history.
pub struct Written {
    sequence: u64,
    behind: Option<u64>,
    repeat_of: Option<u64>,
    left: Option<Arc<State>>,
}

impl Written {
    /// Whether this is the answer to a command that had been done before.
    pub fn is_repeat(&self) -> bool {
        self.repeat_of.is_some()
    }

    /// The answer.
    pub fn answer(&self, status: StatusCode, body: impl Serialize) -> Response {
        self.finish((status, Json(body)).into_response())
    }

    /// An answer without a body.
    pub fn empty(&self) -> Response {
        self.finish(StatusCode::NO_CONTENT.into_response())
    }

    fn finish(&self, mut response: Response) -> Response {
        set_sequence(&mut response, SEQUENCE_HEADER, self.sequence);
        if let Some(projected) = self.behind {
            set_sequence(&mut response, PROJECTED_HEADER, projected);
        }
        response
    }
}

/// Sets a header to a sequence.
pub fn set_sequence(response: &mut Response, header: &'static str, sequence: u64) {
    response.headers_mut().insert(HeaderName::from_static(header), HeaderValue::from(sequence));
}
