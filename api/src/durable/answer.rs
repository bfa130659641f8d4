//! The answer of a task that is under way: kept until it is stored, and followed meanwhile from its beginning.

use crate::{call::Reply, error::ApiError};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use mcpctl_events::wire::sse;
use mcpctl_projector::store::work::StoredAnswer;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Most bytes of one answer.
const MAX_ANSWER: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Answer {
    said: Mutex<BytesMut>,
    /// How much was said, and whether that is all.
    progress: watch::Sender<(usize, bool)>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { said: Mutex::default(), progress: watch::Sender::new((0, false)) }
    }
}

impl Answer {
    /// Reads a reply to its end.
    ///
    /// # Errors
    /// It broke off, or is too large.
    pub(super) async fn take(&self, reply: Reply) -> Result<StoredAnswer, ApiError> {
        match reply {
            Reply::Whole(whole) => Ok(StoredAnswer {
                status: whole.status,
                content_type: whole.content_type.into_owned(),
                text: text(&whole.body),
            }),
            Reply::Stream(body) => {
                let (mut pieces, mut last) = (body.into_data_stream(), Last::default());
                while let Some(piece) = pieces.next().await {
                    let piece = piece.map_err(|error| broken(error.to_string()))?;
                    last.see(&piece)?;
                    // It is no part of the answer.
                    if let Some(error) = last.error() {
                        return Err(error);
                    }
                    self.say(&piece)?;
                }
                let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Ok(StoredAnswer { status: 200, content_type: "text/event-stream".to_owned(), text: text(&said) })
            }
        }
    }

    fn say(&self, piece: &Bytes) -> Result<(), ApiError> {
        let said = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() + piece.len() > MAX_ANSWER {
                return Err(broken(format!("it is larger than {MAX_ANSWER} bytes")));
            }
            said.extend_from_slice(piece);
            said.len()
        };
        self.progress.send_replace((said, false));
        Ok(())
    }

    /// Nothing more will be said, whether or not that was all.
    pub(super) fn end(&self) {
        self.progress.send_modify(|progress| progress.1 = true);
    }
}

/// Reads along from the beginning.
#[derive(Debug)]
pub struct Follow {
    answer: Arc<Answer>,
    progress: watch::Receiver<(usize, bool)>,
    read: usize,
}

impl Follow {
    /// Begins at the beginning.
    pub fn new(answer: Arc<Answer>) -> Self {
        let progress = answer.progress.subscribe();
        Self { answer, progress, read: 0 }
    }

    /// What was said since; none at the end. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Bytes> {
        let read = self.read;
        let _ = self.progress.wait_for(|(said, over)| *said > read || *over).await;
        let said = self.answer.said.lock().unwrap_or_else(PoisonError::into_inner);
        let news = said.get(read..).filter(|news| !news.is_empty()).map(Bytes::copy_from_slice);
        self.read = said.len();
        news
    }
}

/// The last event of a stream: the error that it failed with, or none.
#[derive(Default)]
struct Last {
    reader: sse::Reader,
    data: String,
}

impl Last {
    fn see(&mut self, piece: &[u8]) -> Result<(), ApiError> {
        self.reader.feed(piece).map_err(|error| broken(error.to_string()))?;
        while let Some(data) = self.reader.next_data() {
            self.data = data;
        }
        Ok(())
    }

    /// The server's own error, as it ends a stream that failed.
    fn error(&self) -> Option<ApiError> {
        #[derive(serde::Deserialize)]
        struct Failed {
            error: String,
            code: String,
        }
        let failed: Failed = serde_json::from_str(&self.data).ok()?;
        let known = ["PUBLISHER_ERROR", "PUBLISHER_DISCONNECTED", "TIMED_OUT", "UPSTREAM_ERROR", "SHUTDOWN"];
        let code = known.into_iter().find(|known| *known == failed.code)?;
        Some(ApiError::new(StatusCode::BAD_GATEWAY, code, failed.error))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

fn broken(reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "UPSTREAM_ERROR", format!("the answer broke off: {reason}"))
}
