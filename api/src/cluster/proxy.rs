//! A publisher's request that landed on a replica which does not hold its stream: passed on to the one that does, once,
//! both ways as it comes.

use super::KEY_HEADER;
use crate::{app::App, error::ApiError, upstream::reason};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::{io, time::Duration};
use tokio::time::timeout;

/// Longest silence within an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time for an upload.
const LONGEST: Duration = Duration::from_hours(1);

/// A request that another replica passed on, and that is not passed on again.
#[derive(Debug, Clone, Copy)]
pub struct PassedOn;

/// Headers that are about one connection, or are made anew.
const OF_THE_CONNECTION: [HeaderName; 6] =
    [header::CONNECTION, header::HOST, header::TE, header::TRANSFER_ENCODING, header::UPGRADE, header::EXPECT];

/// A request to be passed on.
pub struct Passed<'a> {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// Its headers: who asks is checked there again.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
    /// How long its answer may take to begin; an upload is answered when it ends.
    pub patience: Option<Duration>,
}

/// Passes a request on to `node`, and its answer back.
pub async fn pass_on(app: &App, node: &str, passed: Passed<'_>) -> Result<Response, ApiError> {
    let Passed { method, path, mut headers, body, patience } = passed;
    let cluster = app.cluster.as_ref().and_then(|cluster| Some((&cluster.client, cluster.key.as_ref()?)));
    let (client, key) = cluster.ok_or_else(|| gone(node, "there is no --cluster-key"))?;
    let client = client.client().await.map_err(|error| gone(node, &format!("{error:#}")))?;
    leave_out(&mut headers);
    headers.insert(KEY_HEADER, key.as_header());
    let has_body = method != Method::GET;
    let mut request = client.request(method, format!("{node}{path}")).headers(headers);
    if has_body {
        request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    let answer = timeout(patience.unwrap_or(LONGEST), request.send()).await;
    let answer = answer.map_err(|_| gone(node, "no answer in time"))?.map_err(|error| gone(node, &reason(&error)))?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    leave_out(&mut headers);
    let mut response = Response::new(Body::from_stream(pieces(answer)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// An answer as it comes, which breaks off where nothing comes: streams have comments in their silences.
fn pieces(answer: reqwest::Response) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(answer, |mut answer| async {
        let piece = timeout(SILENCE, answer.chunk()).await.map_err(io::Error::other)?;
        Ok(piece.map_err(io::Error::other)?.map(|piece| (piece, answer)))
    })
}

fn leave_out(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

fn gone(node: &str, why: &str) -> ApiError {
    tracing::debug!(node, why, "a publisher's request could not be passed on");
    let message = "the server that holds this session's stream cannot be reached; open a new stream";
    ApiError::new(StatusCode::GONE, "TASK_GONE", message)
}
