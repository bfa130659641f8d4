//! What a connection is told on which there is no request to answer.

use super::stream::Stream;
use crate::error::ApiError;
use axum::http::StatusCode;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, time::timeout};

/// How long a client has to take them.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// 408, which HTTP has no words for itself.
pub(super) fn stalled(within: Duration) -> ApiError {
    let message = format!(
        "the head of the request was not whole after {} s, the limit of --header-timeout",
        within.as_secs_f64()
    );
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "HEAD_STALLED", message)
}

/// Tells why a connection is closed on which there is no request to answer.
pub(super) async fn last_words(mut stream: Stream, error: &ApiError) {
    let said = async {
        stream.write_all(&raw(error)).await?;
        stream.shutdown().await
    };
    let _ = timeout(LAST_WORDS, said).await;
}

/// An error as it goes out where there is no request to answer.
pub(super) fn raw(error: &ApiError) -> Vec<u8> {
    let body = serde_json::to_string(&error.body()).unwrap_or_default();
    let retry_after = error.retry_after.map(|after| format!("retry-after: {after}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry_after}connection: close\r\n\r\n",
        error.status,
        body.len()
    );
    (head + &body).into_bytes()
}
