//! Calls by a stream that another replica holds.
//!
//! The call is handed to that replica once, as it is, and its answer is passed on as it comes. A header of the answer says
//! what it is; a failure after its first byte is the last event of the stream.

use super::{KEY_HEADER, Key};
use crate::{
    app::App,
    call::{Asked, Reply},
    error::ApiError,
    relay::{
        object::Whole,
        places::{Elsewhere, Place},
    },
    upstream::{Upstream, reason},
};
use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header::CONTENT_TYPE},
};
use futures_util::{Stream, StreamExt, stream};
use mcpctl_events::{name::SessionId, state::Llm, wire::error::ErrorBody};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Where a call is handed over.
pub const CALL: &str = "/internal/v1/call";
/// Says what the answer is: [`WHOLE`], [`STREAM`] or [`ERROR`].
pub const ANSWER_HEADER: &str = "x-mcpctl-answer";
/// A whole answer of a model, as it came.
pub const WHOLE: &str = "whole";
/// Events that go on.
pub const STREAM: &str = "stream";
/// A refusal of the replica itself.
pub const ERROR: &str = "error";
/// The code of a refusal: the stream is not, or no longer, there.
pub const NOT_HERE: &str = "NOT_HERE";
/// Begins the last event of a stream that failed.
const FAILED: &[u8] = b"event: mcpctl-failed\ndata: ";
/// Characters of a failure that are told, and bytes that it is never longer than.
const SHOWN: usize = 1000;
const LONGEST_FAILURE: usize = 8 << 10;
/// Bytes that a refusal is never longer than.
const LONGEST_REFUSAL: usize = 1 << 20;
/// The code of a call that did not reach the replica: nothing of it was done.
pub const UNREACHED: &str = "SERVER_UNREACHED";
/// How often is looked whether the stream is still there, and how long the end of an answer may take once it is not.
const LOOK: Duration = Duration::from_secs(1);
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much later than the replica itself its callers give up.
const GRACE: Duration = Duration::from_secs(5);

/// What is asked, besides the request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    /// Id of the Llm.
    pub llm: Uuid,
    /// Path at the model server.
    pub path: String,
    /// The stream by which it is to be called.
    pub epoch: u64,
    /// Whether it may wait in line.
    pub may_wait: bool,
}

/// A refusal, as replicas tell it to each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    status: u16,
    retry_after: Option<u64>,
    #[serde(flatten)]
    body: ErrorBody,
}

impl Refusal {
    fn of(error: &ApiError) -> Self {
        Self { status: error.status.as_u16(), retry_after: error.retry_after, body: error.body() }
    }

    fn into_error(self) -> ApiError {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let error = ApiError::new(status, self.body.code, self.body.error);
        ApiError { details: self.body.details, retry_after: self.retry_after, ..error }
    }
}

/// The event that tells another replica how a stream failed.
pub fn failed_event(error: &ApiError) -> Bytes {
    let mut refusal = Refusal::of(error);
    refusal.body.error = refusal.body.error.chars().take(SHOWN).collect();
    refusal.body.details.clear();
    let json = serde_json::to_vec(&refusal).unwrap_or_default();
    [FAILED, &json, b"\n\n"].concat().into()
}

/// Hands a call to the replica that holds the stream, and waits for how its answer begins. The place is held until the
/// answer is there: what is open at the publisher, that replica counts.
pub async fn call(
    app: &Arc<App>,
    llm: &Llm,
    holder: &Elsewhere,
    place: Place,
    asked: &Asked,
    may_wait: bool,
) -> Result<Reply, ApiError> {
    let cluster = app.cluster.as_ref().and_then(|cluster| Some((&cluster.client, cluster.key.as_ref()?)));
    let (client, key) = cluster.ok_or_else(|| unreachable(&holder.node, "there is no --cluster-key"))?;
    let handed = Handed { llm: llm.id, path: asked.path.to_owned(), epoch: holder.epoch, may_wait };
    let request = post(client, key, &holder.node, &handed).await?;
    let request = request.body(asked.request.with_model(&llm.definition.model));
    // It may wake the model, and wait in line, before it waits for the first byte.
    let wake = Duration::from_secs(llm.definition.max_wait_seconds.unwrap_or(crate::call::wake::USUAL_WAIT).into());
    let args = &app.config.args;
    let patience = wake + 2 * args.first_byte_timeout + 2 * args.connect_grace + GRACE;
    let stream = Held { app: app.clone(), session: llm.session.clone(), epoch: holder.epoch };
    let gone = || lost(&holder.node, "its stream has ended, and it does not say so");
    let response = tokio::select! {
        biased;
        response = timeout(patience, request.send()) => response.map_err(|_| lost(&holder.node, "no answer in time"))?,
        () = stream.is_over() => return Err(gone()),
    };
    let response = response.map_err(|error| {
        let failed = if error.is_connect() { unreachable } else { lost };
        failed(&holder.node, &reason(&error))
    })?;
    drop(place);
    let kind = response.headers().get(ANSWER_HEADER).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    match kind.as_deref() {
        Some(STREAM) => Ok(Reply::Stream(Body::from_stream(events(stream, response, asked.late_error)))),
        Some(WHOLE) => {
            let status = response.status().as_u16();
            let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
            let content_type = content_type.unwrap_or("application/octet-stream").to_owned().into();
            let body = tokio::select! {
                biased;
                body = timeout(app.config.args.task_timeout + GRACE, response.bytes()) => body,
                () = stream.is_over() => return Err(gone()),
            };
            let body = body.map_err(|_| lost(&holder.node, "no answer in time"))?;
            let body = body.map_err(|error| lost(&holder.node, &reason(&error)))?;
            Ok(Reply::Whole(Whole { status, content_type, body }))
        }
        _ => {
            let refusal = tokio::select! {
                biased;
                refusal = timeout(GRACE, refusal(&holder.node, response)) => refusal,
                () = stream.is_over() => return Err(gone()),
            };
            Err(refusal.unwrap_or_else(|_| lost(&holder.node, "no answer in time")))
        }
    }
}

/// What another replica, or something before it, says instead of an answer. Only what refuses the request itself is sure
/// to have kept it from the publisher.
async fn refusal(node: &str, mut response: reqwest::Response) -> ApiError {
    let (status, mut body) = (response.status(), Vec::new());
    while let Ok(Some(piece)) = response.chunk().await
        && body.len() + piece.len() <= LONGEST_REFUSAL
    {
        body.extend_from_slice(&piece);
    }
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(&body) {
        return refusal.into_error();
    }
    let failed = if status.is_client_error() { unreachable } else { lost };
    failed(node, &format!("it answers {status}"))
}

async fn post(client: &Upstream, key: &Key, node: &str, handed: &Handed) -> Result<reqwest::RequestBuilder, ApiError> {
    let client = client.client().await.map_err(|error| unreachable(node, &format!("{error:#}")))?;
    let query = serde_json::to_string(handed).map_err(ApiError::internal)?;
    Ok(client.post(format!("{node}{CALL}")).header(KEY_HEADER, key.as_header()).header(ASKED_HEADER, query))
}

/// Holds a [`Handed`], so that the body is the request and nothing else.
pub const ASKED_HEADER: &str = "x-mcpctl-asked";

/// The stream by which a call is answered at another replica.
struct Held {
    app: Arc<App>,
    session: Option<SessionId>,
    epoch: u64,
}

impl Held {
    /// Waits until the log says that it has ended, and then for what the replica that held it still has to say: one that
    /// is there does at once, one that stands still never does.
    async fn is_over(&self) {
        let is_there = || {
            let session = self.session.as_ref()?;
            self.app.look(|state| {
                let known = state.sessions.get(session)?;
                (known.epoch == self.epoch && known.connection.is_some()).then_some(())
            })
        };
        loop {
            sleep(LOOK).await;
            if is_there().is_none() {
                return sleep(LAST_WORDS).await;
            }
        }
    }
}

/// Passes events on. What the replica says last of a failure is told in the words of the API that the caller speaks.
fn events(
    stream: Held,
    response: reqwest::Response,
    late_error: crate::call::held::LateError,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let silence = stream.app.config.args.idle_timeout + GRACE;
    let node = response.url().origin().ascii_serialization();
    // What is held begins an event; what comes after it does if that was passed on whole.
    let begin = Some((response, node, stream, Bytes::new(), true));
    let pieces = stream::unfold(begin, move |going_on| async move {
        let (mut response, node, stream, mut held, is_start) = going_on?;
        let failed = |error: &ApiError| Some((late_error(error), None));
        loop {
            let next = tokio::select! {
                biased;
                next = timeout(silence, response.chunk()) => next,
                () = stream.is_over() => return failed(&lost(&node, "its stream has ended, and it does not say so")),
            };
            let piece = match next {
                Ok(Ok(Some(piece))) if held.is_empty() => piece,
                Ok(Ok(Some(piece))) => [&held[..], &piece[..]].concat().into(),
                Ok(Ok(None)) if held.is_empty() => return None,
                Ok(Ok(None)) => return Some((held, None)),
                Ok(Err(error)) => return failed(&lost(&node, &reason(&error))),
                Err(_) => return failed(&lost(&node, "it fell silent")),
            };
            match Piece::of(&piece, is_start) {
                Piece::Whole => {
                    let ends = piece.ends_with(b"\n\n");
                    return Some((piece, Some((response, node, stream, Bytes::new(), ends))));
                }
                Piece::Failed(before, error) => {
                    return Some(([&before[..], &late_error(&error)].concat().into(), None));
                }
                Piece::Unfinished(0) => held = piece,
                Piece::Unfinished(from) => {
                    held = piece.slice(from..);
                    return Some((piece.slice(..from), Some((response, node, stream, held, true))));
                }
            }
        }
    });
    pieces.map(Ok)
}

/// What a piece of a stream is.
enum Piece {
    /// Events, to be passed on.
    Whole,
    /// What comes before a failure, and the failure.
    Failed(Bytes, ApiError),
    /// From here on it may be a failure that is not there yet as a whole.
    Unfinished(usize),
}

impl Piece {
    /// `is_start`: whether an event begins with these bytes. Within one, a publisher may say anything.
    fn of(bytes: &Bytes, is_start: bool) -> Self {
        let begins_event = |at: usize| if at == 0 { is_start } else { bytes[..at].ends_with(b"\n\n") };
        let from = bytes.len().saturating_sub(LONGEST_FAILURE + FAILED.len());
        let found = memchr::memmem::rfind(&bytes[from..], FAILED).map(|at| from + at);
        if let Some(at) = found.filter(|at| begins_event(*at)) {
            let Some(json) = bytes[at + FAILED.len()..].strip_suffix(b"\n\n") else { return Self::Unfinished(at) };
            let refusal = serde_json::from_slice::<Refusal>(json);
            return refusal.map_or(Self::Whole, |refusal| Self::Failed(bytes.slice(..at), refusal.into_error()));
        }
        // A beginning of it at the end, where an event may begin.
        let begins = |at: &usize| begins_event(*at) && FAILED.starts_with(&bytes[*at..]);
        let last = bytes.len().saturating_sub(FAILED.len())..bytes.len();
        last.into_iter().find(begins).map_or(Self::Whole, Self::Unfinished)
    }
}

/// Nothing of the call was done.
fn unreachable(node: &str, why: &str) -> ApiError {
    // Calls are handed over again and again while the publisher may be back.
    tracing::debug!(node, why, "a call could not be handed to the replica that holds the publisher's stream");
    let message = format!("the server that holds the publisher's stream cannot be reached: {why}");
    ApiError::new(StatusCode::BAD_GATEWAY, UNREACHED, message)
}

/// It may have been answered, and the answer is lost.
fn lost(node: &str, why: &str) -> ApiError {
    tracing::warn!(node, why, "the replica that holds a publisher's stream was lost within a call");
    let message = "the server that holds the publisher's stream was lost before the answer was complete";
    ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_DISCONNECTED", message)
}

/// The answer to a replica that handed a call over.
pub fn answer(reply: Result<Reply, ApiError>) -> axum::response::Response {
    use axum::{http::HeaderValue, response::IntoResponse};
    let (kind, mut response) = match reply {
        Ok(Reply::Whole(whole)) => (WHOLE, Reply::Whole(whole).into_response()),
        Ok(Reply::Stream(body)) => (STREAM, Reply::Stream(body).into_response()),
        Err(error) => (ERROR, (error.status, axum::Json(Refusal::of(&error))).into_response()),
    };
    response.headers_mut().insert(ANSWER_HEADER, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_where_it_ends_a_stream_and_nowhere_else() {
        let error = ApiError::unavailable("SHUTDOWN", "the server stops", 5);
        let event = failed_event(&error);
        for before in ["", "data: one\n\n", &format!("data: {}\n\n", "x".repeat(20_000))] {
            let piece = Bytes::from([before.as_bytes(), &event[..]].concat());
            let Piece::Failed(rest, found) = Piece::of(&piece, true) else { panic!("{before}") };
            assert_eq!((&rest[..], found), (before.as_bytes(), error.clone()));
        }
        for other in ["data: one\n\n", "event: mcpctl-failed\ndata: {}\n\n", "data: one event", "data: event: mc"] {
            assert!(matches!(Piece::of(&Bytes::from(other), true), Piece::Whole), "{other}");
        }
    }

    #[test]
    fn what_a_publisher_says_is_no_failure() {
        let event = failed_event(&ApiError::unavailable("SHUTDOWN", "not so", 5));
        let said = Bytes::from([b"data: one\ndata: ", &event[..]].concat());
        assert!(matches!(Piece::of(&said, true), Piece::Whole));
        assert!(matches!(Piece::of(&event, false), Piece::Whole), "its event has begun before");
    }

    #[test]
    fn a_failure_that_comes_in_pieces_is_waited_for() {
        let event = failed_event(&ApiError::internal("x".repeat(100_000)));
        assert!(event.len() < LONGEST_FAILURE);
        let before = b"data: one\n\n";
        for cut in 1..event.len() {
            let piece = Bytes::from([before, &event[..cut]].concat());
            assert!(matches!(Piece::of(&piece, true), Piece::Unfinished(at) if at == before.len()), "{cut}");
        }
    }
}
