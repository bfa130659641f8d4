//! `GET /api/v1/events`: the history, as CloudEvents.

use super::written::set_sequence;
use crate::{app::App, auth::Caller, cloudevent::CloudEvent, error::ApiError};
use axum::{
    Extension,
    extract::{Query, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    log::{EventLog, Position},
    record::Record,
    wire::SEQUENCE_HEADER,
};
use mcpctl_projector::store::{EventFilter, EventRef};
use serde::Deserialize;
use std::sync::Arc;

const DEFAULT_LIMIT: u32 = 1000;
const MAX_LIMIT: u32 = 10_000;

/// Which events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    after: Option<u64>,
    until: Option<u64>,
    #[serde(rename = "type")]
    type_: Option<String>,
    subject: Option<String>,
    limit: Option<u32>,
}

/// Lists events in log order.
#[utoipa::path(get, path = "/api/v1/events", tag = "audit",
    params(("after" = Option<u64>, Query, description = "only events above this sequence"),
        ("until" = Option<u64>, Query), ("type" = Option<String>, Query, description = "a glob such as mcpctl.agent.*"),
        ("subject" = Option<String>, Query), ("limit" = Option<u32>, Query, description = "1,000 by default, 10,000 at most")),
    responses((status = 200, description = "an array of CloudEvents 1.0", body = Vec<Object>),
        (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the event log")?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::invalid("limit", format!("is a whole number from 1 to {MAX_LIMIT}")));
    }
    let filter = EventFilter {
        after: query.after.unwrap_or(0),
        until: query.until,
        type_glob: query.type_,
        subject: query.subject,
        limit,
        newest_first: false,
    };
    let found = app.tables.events(&filter).await.map_err(ApiError::internal)?;
    let log = app.log.clone();
    let body = tokio::task::spawn_blocking(move || render(&*log, &found.value)).await.map_err(ApiError::internal)??;
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, found.sequence);
    Ok(response)
}

/// Reads the records from the log and writes their events down.
fn render(log: &dyn EventLog, events: &[EventRef]) -> Result<Vec<u8>, ApiError> {
    let mut body = vec![b'['];
    let mut current: Option<(Position, Record)> = None;
    for event in events {
        if current.as_ref().is_none_or(|(position, _)| *position != event.position) {
            current = Some((event.position, read(log, event.position)?));
        }
        let Some(event) = current.as_ref().and_then(|(_, record)| CloudEvent::of(record, event.sequence)) else {
            return Err(ApiError::internal(format!("event {} is not where the tables say", event.sequence)));
        };
        if body.len() > 1 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, &event).map_err(ApiError::internal)?;
    }
    body.push(b']');
    Ok(body)
}

/// The record at this place of the log.
pub(super) fn read(log: &dyn EventLog, position: Position) -> Result<Record, ApiError> {
    let page = log.read(Position(position.0.saturating_sub(1)), 1).map_err(ApiError::internal)?;
    let entry = page.entries.first().filter(|entry| entry.position == position);
    let entry = entry.ok_or_else(|| ApiError::internal("a record of the read tables is not on the log"))?;
    Record::decode(&entry.bytes).map_err(ApiError::internal)
}
