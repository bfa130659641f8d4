//! The history as it goes on: server-sent events, each with its sequence as its id.

use super::read;
use crate::{
    app::App,
    auth::Caller,
    call::sse_response,
    error::ApiError,
    routes::written::set_sequence,
    server::handover::LongLived,
    tail::{News, Told, told},
};
use axum::{body::Body, http::HeaderMap, response::Response};
use bytes::Bytes;
use futures_util::stream;
use mcpctl_events::wire::SEQUENCE_HEADER;
use mcpctl_projector::store::{At, EventFilter, EventRef, type_pattern};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use wildmatch::WildMatch;

/// Silence after which a follower is told how far it is.
const BOOKMARK: Duration = Duration::from_secs(15);
/// Most bytes that are sent at once.
const PIECE: usize = 256 << 10;
/// Events that are read from the log at once.
const PAGE: u32 = 500;

/// Follows the history from where the caller left off: `Last-Event-ID`, else `after` of the filter.
pub(super) async fn follow(
    app: &Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    mut filter: EventFilter,
) -> Result<Response, ApiError> {
    if let Some(id) = headers.get("last-event-id") {
        let id = id.to_str().ok().and_then(|id| id.parse().ok());
        filter.after = id.ok_or_else(|| ApiError::invalid("Last-Event-ID", "is a sequence"))?;
    }
    let newest = app.tail.follow();
    app.reaches(filter.after).await;
    let sequence = app.replica().admission.last_sequence;
    if filter.after > sequence {
        let reason = format!("is above the last sequence of this log, which is {sequence}");
        return Err(ApiError::invalid("after", reason));
    }
    let types = filter.type_glob.as_deref().map(|glob| WildMatch::new(&type_pattern(glob)));
    let following = Following { app: app.clone(), caller, filter, types, newest, said: None };
    let body = Body::from_stream(stream::unfold(following, |mut following| async {
        let piece = following.next().await?;
        Some((Ok::<_, Infallible>(piece), following))
    }));
    let mut response = sse_response(body);
    response.extensions_mut().insert(LongLived);
    set_sequence(&mut response, SEQUENCE_HEADER, sequence);
    Ok(response)
}

/// A follower; `filter.after` is how far it is.
struct Following {
    app: Arc<App>,
    caller: Caller,
    filter: EventFilter,
    types: Option<WildMatch>,
    newest: watch::Receiver<u64>,
    said: Option<Instant>,
}

impl Following {
    /// What to say next; none at the end. A follower whose way to the log breaks off comes again.
    async fn next(&mut self) -> Option<Bytes> {
        // So that it is known at once that the stream is open, and from where on.
        if self.said.is_none() {
            return Some(self.bookmark());
        }
        loop {
            if self.filter.until.is_some_and(|until| self.filter.after >= until) {
                return None;
            }
            // Its end is an event too: nothing that comes after it is told.
            if !self.caller.is_welcome(&self.app) {
                return None;
            }
            self.newest.mark_unchanged();
            let said = match self.app.tail.after(self.filter.after, PIECE) {
                News::Events(events) => self.take(&events),
                News::Behind => self.catch_up().await.ok()?,
                News::None => match self.wait().await {
                    Waited::More => continue,
                    Waited::ForLong => self.bookmark(),
                    Waited::ForNothing => return None,
                },
            };
            if !said.is_empty() {
                self.said = Some(Instant::now());
                return Some(said);
            }
        }
    }

    fn take(&mut self, events: &[Arc<Told>]) -> Bytes {
        let mut said = Vec::new();
        for event in events {
            if self.filter.until.is_some_and(|until| event.sequence > until) {
                break;
            }
            self.filter.after = event.sequence;
            if self.is_wanted(event) {
                said.extend_from_slice(&event.frame);
            }
        }
        said.into()
    }

    fn is_wanted(&self, event: &Told) -> bool {
        self.types.as_ref().is_none_or(|types| types.matches(event.type_name))
            && self.filter.subject.as_ref().is_none_or(|subject| *subject == event.subject)
    }

    /// Reads what it has missed from the log.
    async fn catch_up(&mut self) -> Result<Bytes, ApiError> {
        let filter = EventFilter { limit: PAGE, ..self.filter.clone() };
        let mut projected = self.app.projected.clone();
        let At { value: found, sequence } = self.app.tables.events(&filter).await?;
        let reached = if found.len() < PAGE as usize { Some(sequence) } else { None };
        let reached = reached.or(found.last().map(|last| last.sequence)).unwrap_or_default();
        if found.is_empty() && reached <= self.filter.after {
            // The way to these events is in the tables in a moment.
            let later = projected.wait_for(|projected| *projected > self.filter.after);
            tokio::select! {
                _ = later => {}
                () = self.app.stopping.cancelled() => return Err(crate::call::stopping()),
            }
            return Ok(Bytes::new());
        }
        let app = self.app.clone();
        let said = tokio::task::spawn_blocking(move || written(&app, &found)).await.map_err(ApiError::internal)??;
        self.filter.after = self.filter.after.max(reached);
        Ok(said)
    }

    async fn wait(&mut self) -> Waited {
        let silence = self.said.unwrap_or_else(Instant::now) + BOOKMARK;
        tokio::select! {
            changed = self.newest.changed() => if changed.is_ok() { Waited::More } else { Waited::ForNothing },
            () = sleep_until(silence) => Waited::ForLong,
            () = self.app.stopping.cancelled() => Waited::ForNothing,
        }
    }

    fn bookmark(&mut self) -> Bytes {
        self.said = Some(Instant::now());
        format!(": bookmark {}\n\n", self.filter.after).into()
    }
}

/// How a wait for more ended.
enum Waited {
    More,
    ForLong,
    ForNothing,
}

fn written(app: &App, events: &[EventRef]) -> Result<Bytes, ApiError> {
    let (mut said, mut current) = (Vec::new(), None);
    for event in events {
        let record = match current.take() {
            Some((position, record)) if position == event.position => record,
            _ => read(&*app.log, event)?,
        };
        let told = told(&record, event.sequence).ok_or_else(|| ApiError::event_missing(event.sequence))?;
        said.extend_from_slice(&told.frame);
        current = Some((event.position, record));
    }
    Ok(said.into())
}
