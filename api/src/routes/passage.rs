//! `/api/v1/llms/_provider-passage`: lets a publisher measure whether what is streamed passes through whatever is on the
//! way, up and down.

use crate::{app::App, call::sse_response};
use axum::{
    Json,
    body::{Body, BodyDataStream, Bytes},
    extract::State,
    response::Response,
};
use futures_util::{StreamExt, stream};
use mcpctl_events::wire::publish::Arrivals;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How long an upload may take, and how many pieces of it are told apart.
const LONGEST: Duration = Duration::from_secs(10);
const PIECES: usize = 64;
/// What is sent down: so many events, each after a pause.
const EVENTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(150);

/// Says when each piece of the body arrived.
#[utoipa::path(post, path = "/api/v1/llms/_provider-passage", operation_id = "measureUpload", tag = "publishing",
    request_body(content = String, content_type = "application/x-ndjson", description = "small pieces with pauses between them"),
    responses((status = 200, body = Arrivals), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn up(State(app): State<Arc<App>>, body: Body) -> Json<Arrivals> {
    let (begun, until) = (app.clock.uptime(), Instant::now() + LONGEST);
    let (mut body, mut at_ms) = (body.into_data_stream(), Vec::new());
    // Who stops waits for what is under way.
    let next = async |body: &mut BodyDataStream| {
        tokio::select! {
            piece = timeout_at(until, body.next()) => piece.ok().flatten().is_some_and(|piece| piece.is_ok()),
            () = app.stopping.cancelled() => false,
        }
    };
    while at_ms.len() < PIECES && next(&mut body).await {
        let after = app.clock.uptime().saturating_sub(begun);
        at_ms.push(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }
    Json(Arrivals { at_ms })
}

/// Sends small events with pauses between them.
#[utoipa::path(get, path = "/api/v1/llms/_provider-passage", operation_id = "measureStream", tag = "publishing",
    responses((status = 200, description = "a few events", content_type = "text/event-stream", body = String),
        (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn down() -> Response {
    let events = stream::iter(0..EVENTS).then(|number| async move {
        sleep(PAUSE).await;
        Ok::<_, Infallible>(Bytes::from(format!("data: {number}\n\n")))
    });
    // As the stream of tasks has it.
    sse_response(Body::from_stream(events))
}
