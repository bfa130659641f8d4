//! Reading JSON bodies so that every problem is found at once and named by its pointer.

mod fields;
mod keys;
mod strings;

pub use fields::{Fields, Problems};
pub use keys::each_key;
pub use strings::{check_depth, check_strings};

use crate::{config::Args, error::ApiError, limits::Limit};
use axum::{body::Body, http::StatusCode};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// Reads a text that is one object. A derived `Deserialize` would also take an array of the members' values.
pub fn object<'de, T: Deserialize<'de>>(text: &'de [u8]) -> serde_json::Result<T> {
    match text.trim_ascii_start().first() {
        Some(b'{') | None => serde_json::from_slice(text),
        Some(_) => Err(serde::de::Error::custom("expected an object")),
    }
}

/// Bodies above this are looked through on a thread that may take its time: calls under way wait for their next chunk.
const LARGE: usize = 256 << 10;
/// All of a body may take so many times the longest silence within it.
const PATIENCE: u32 = 20;
/// Bytes beyond the limit that are read and dropped, so that a client that is still sending gets to read the answer.
const DRAINED: usize = 32 << 20;

/// Reads a whole body of JSON that is to be understood, and so may not be nested too deeply.
pub async fn read_json(body: Body, args: &Args) -> Result<Bytes, ApiError> {
    let (body, most) = (read_body(body, args).await?, args.max_json_depth);
    if body.len() <= LARGE {
        return check_depth(&body, most).map(|()| body);
    }
    let check = move || check_depth(&body, most).map(|()| body);
    tokio::task::spawn_blocking(check).await.map_err(ApiError::internal)?
}

/// Reads a whole body, whatever it is.
pub async fn read_body(mut body: Body, args: &Args) -> Result<Bytes, ApiError> {
    let (limit, silence) = (args.max_body, args.body_timeout);
    // What will not be read to its end is not begun.
    if body.size_hint().lower() > (limit + DRAINED) as u64 {
        return Err(too_large(limit));
    }
    let whole = timeout(silence * PATIENCE, whole(&mut body, limit, silence)).await;
    whole.unwrap_or_else(|_| Err(stalled(silence * PATIENCE)))
}

async fn whole(body: &mut Body, limit: usize, silence: Duration) -> Result<Bytes, ApiError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = next(body, silence).await? {
        if first.len() + all.len() + piece.len() > limit {
            drain(body, silence).await;
            return Err(too_large(limit));
        }
        // A body that came in one piece is not copied.
        if first.is_empty() && all.is_empty() {
            first = piece;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&piece);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than {limit} bytes, the limit of --max-body");
    Limit::Body.refuse(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message)
}

async fn next(body: &mut Body, silence: Duration) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = timeout(silence, body.frame()).await.map_err(|_| stalled(silence))? {
        let frame = frame.map_err(|error| ApiError::invalid("", format!("the body could not be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn stalled(silence: Duration) -> ApiError {
    let message = format!(
        "the body did not go on, or not come to its end, for {} s, the limit of --body-timeout",
        silence.as_secs_f64()
    );
    Limit::BodyTime.refuse(StatusCode::REQUEST_TIMEOUT, "BODY_STALLED", message)
}

async fn drain(body: &mut Body, silence: Duration) {
    let mut drained = 0;
    while drained < DRAINED
        && let Ok(Some(piece)) = next(body, silence).await
    {
        drained += piece.len();
    }
}
