//! `GET /api/v1/events`: the history, as CloudEvents.

mod follow;

use super::{
    rows::{read as read_parameter, sequence, short},
    written::set_sequence,
};
use crate::routes::openapi::values::Sequence;
use crate::{app::App, auth::Caller, cloudevent::CloudEvent, error::ApiError, json::Problems};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{
        HeaderMap, HeaderValue,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use mcpctl_events::{
    log::{EventLog, Position},
    record::Record,
    wire::SEQUENCE_HEADER,
};
use mcpctl_projector::store::{At, EventFilter, EventRef};
use serde::Deserialize;
use std::{io, sync::Arc};

const DEFAULT_LIMIT: u32 = 1000;
const MAX_LIMIT: u32 = 10_000;
/// Bytes after which a piece of an answer is sent: an event may be large, and many are no reason to hold them all.
const PIECE: usize = 256 << 10;

/// Which events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    after: Option<String>,
    until: Option<String>,
    #[serde(rename = "type")]
    type_: Option<String>,
    subject: Option<String>,
    limit: Option<String>,
}

impl EventsQuery {
    fn filter(self) -> Result<EventFilter, ApiError> {
        let problems = Problems::default();
        let number =
            |name, text: Option<String>| read_parameter(&problems, name, text.as_deref(), "is a sequence", sequence);
        let most = format!("is a whole number from 1 to {MAX_LIMIT}");
        let limit = |text: &str| text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        let filter = EventFilter {
            after: number("after", self.after).unwrap_or_default(),
            until: number("until", self.until),
            type_glob: read_parameter(
                &problems,
                "type",
                self.type_.as_deref(),
                "is at most 1000 characters long",
                short,
            ),
            subject: self.subject,
            limit: read_parameter(&problems, "limit", self.limit.as_deref(), &most, limit).unwrap_or(DEFAULT_LIMIT),
            newest_first: false,
        };
        problems.check(Some(filter))
    }
}

/// Lists events in log order. With `Accept: text/event-stream`, follows them: each event's id is its sequence, and
/// `Last-Event-ID` goes on after it.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "listEvents", tag = "audit",
    params(("after" = Option<Sequence>, Query, description = "only events above this sequence"),
        ("until" = Option<Sequence>, Query), ("type" = Option<String>, Query, max_length = 1000, description = "a glob such as mcpctl.agent.*"),
        ("subject" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 10000, description = "1,000 by default, 10,000 at most")),
    responses((status = 200, description = "an array of CloudEvents 1.0", body = Vec<Object>),
        (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the event log")?;
    let wants_stream = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("text/event-stream"));
    if headers.get(ACCEPT).is_some_and(wants_stream) {
        if query.limit.is_some() {
            return Err(ApiError::invalid("limit", "is for lists: a stream goes on"));
        }
        return follow::follow(&app, caller, &headers, query.filter()?).await;
    }
    let found = app.tables.events(&query.filter()?).await?;
    written(&app, found).await
}

/// Events as an array.
pub(super) async fn written(app: &App, found: At<Vec<EventRef>>) -> Result<Response, ApiError> {
    let mut rest = Rest { log: app.log.clone(), events: found.value, begun: false, ended: false };
    // What cannot be read at all is an error of its own, and no answer that breaks off.
    let (first, rest) = tokio::task::spawn_blocking(move || (rest.piece(), rest)).await.map_err(ApiError::internal)?;
    let more = stream::try_unfold(rest, |mut rest| async {
        let (piece, rest) =
            tokio::task::spawn_blocking(move || (rest.piece(), rest)).await.map_err(io::Error::other)?;
        let piece = piece.map_err(|error| io::Error::other(error.message))?;
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, rest)))
    });
    let first = first?;
    let body = Body::from_stream(stream::once(async { Ok(first) }).chain(more));
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, found.sequence);
    Ok(response)
}

/// Events that are still to be written down.
struct Rest {
    log: Arc<dyn EventLog>,
    events: Vec<EventRef>,
    begun: bool,
    ended: bool,
}

impl Rest {
    /// The next piece of the array; empty at its end.
    fn piece(&mut self) -> Result<Bytes, ApiError> {
        let mut piece = Vec::new();
        let mut current: Option<(Position, Record)> = None;
        let mut taken = 0;
        for event in &self.events {
            if piece.len() >= PIECE {
                break;
            }
            if current.as_ref().is_none_or(|(position, _)| *position != event.position) {
                current = Some((event.position, read(&*self.log, event)?));
            }
            let Some(event) = current.as_ref().and_then(|(_, record)| CloudEvent::of(record, event.sequence)) else {
                return Err(ApiError::event_missing(event.sequence));
            };
            piece.push(if self.begun || taken > 0 { b',' } else { b'[' });
            serde_json::to_writer(&mut piece, &event).map_err(ApiError::internal)?;
            taken += 1;
        }
        self.events.drain(..taken);
        self.begun |= taken > 0;
        if self.events.is_empty() && !std::mem::replace(&mut self.ended, true) {
            piece.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
        Ok(piece.into())
    }
}

/// The record that holds this event.
pub(super) fn read(log: &dyn EventLog, event: &EventRef) -> Result<Record, ApiError> {
    let page = log.read(Position(event.position.0.saturating_sub(1)), 1)?;
    let entry = page.entries.first().filter(|entry| entry.position == event.position);
    let entry = entry.ok_or_else(|| ApiError::event_missing(event.sequence))?;
    Record::decode(&entry.bytes).map_err(|error| ApiError::damaged(format!("event {}: {error}", event.sequence)))
}
