//! A streamed chat: the model's chunks become chat events.

use super::{OpenTurn, bad_answer, error_event, event, reply, reply::Answer};
use crate::{call::Reply, error::ApiError};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use mcpctl_events::wire::{chat::ChatEvent, sse};
use std::convert::Infallible;

/// Most bytes of one streamed answer: all of it is kept until its turn is stored.
const MAX_ANSWER: usize = 64 << 20;

/// The data of a model's events.
struct Chunks {
    body: BodyDataStream,
    bytes: usize,
    reader: sse::Reader,
}

impl Chunks {
    fn of(body: Body) -> Self {
        Self { body: body.into_data_stream(), bytes: 0, reader: sse::Reader::default() }
    }

    /// The next one; none at the end. An answer that would never end is broken off.
    async fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(data) = self.reader.next_data() {
                return Ok(Some(data));
            }
            let Some(piece) = self.body.next().await else { return Ok(None) };
            let piece = piece.map_err(|error| error.to_string())?;
            self.bytes += piece.len();
            if self.bytes > MAX_ANSWER {
                return Err(format!("it is larger than {MAX_ANSWER} bytes"));
            }
            self.reader.feed(&piece).map_err(|error| error.to_string())?;
        }
    }
}

/// Turns the model's answer into chat events; the turn is stored before `final` is said.
pub(super) async fn respond(open: OpenTurn, reply: Reply) -> Result<Reply, ApiError> {
    match reply {
        Reply::Stream(body) => Ok(Reply::Stream(Body::from_stream(events(open, Chunks::of(body))))),
        Reply::Whole(whole) => match reply::read(&whole) {
            Ok(answer) => {
                let said = event(&ChatEvent::Text { delta: answer.text() });
                let rest = stream::once(finish(open, answer));
                let all = stream::once(async move { said }).chain(rest).map(Ok::<_, Infallible>);
                Ok(Reply::Stream(Body::from_stream(all)))
            }
            Err(error) => Err(open.fail(error).await),
        },
    }
}

struct Speaking {
    open: OpenTurn,
    chunks: Chunks,
    answer: Answer,
}

fn events(open: OpenTurn, chunks: Chunks) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let speaking = Speaking { open, chunks, answer: Answer::default() };
    stream::unfold(Some(speaking), |speaking| async {
        let (bytes, speaking) = next(speaking?).await;
        Some((Ok(bytes), speaking))
    })
}

/// What to say next, and who goes on speaking.
async fn next(mut speaking: Speaking) -> (Bytes, Option<Speaking>) {
    loop {
        let data = match speaking.chunks.next().await {
            Ok(Some(data)) if data == "[DONE]" => return (end(speaking).await, None),
            Ok(Some(data)) => data,
            Err(error) => {
                return (fail(speaking, bad_answer(format!("the answer broke off: {error}"))).await, None);
            }
            Ok(None) => {
                let finished = speaking.answer.finish_reason.is_some();
                let bytes = if finished {
                    end(speaking).await
                } else {
                    fail(speaking, bad_answer("the answer ended before it was complete")).await
                };
                return (bytes, None);
            }
        };
        match reply::take(&mut speaking.answer, &data) {
            // All of it was said; some model servers leave out what should come after.
            Err(_) if speaking.answer.finish_reason.is_some() => return (end(speaking).await, None),
            Err(error) => return (fail(speaking, error).await, None),
            Ok(piece) => {
                let thinking = piece.reasoning.map(|delta| event(&ChatEvent::Thinking { delta }));
                let text = piece.content.map(|delta| event(&ChatEvent::Text { delta }));
                let said: Vec<u8> = thinking.into_iter().chain(text).flatten().collect();
                if !said.is_empty() {
                    return (said.into(), Some(speaking));
                }
            }
        }
    }
}

/// The last events: the reasoning as text if nothing else was said, then `final`.
async fn end(speaking: Speaking) -> Bytes {
    let Speaking { open, answer, .. } = speaking;
    let text = answer.text();
    let said = (answer.content.is_empty() && !text.is_empty()).then(|| event(&ChatEvent::Text { delta: text }));
    let last = finish(open, answer).await;
    said.into_iter().chain([last]).flatten().collect::<Vec<u8>>().into()
}

async fn finish(mut open: OpenTurn, answer: Answer) -> Bytes {
    match open.complete(&answer).await {
        Ok(()) => event(&open.final_event()),
        Err(error) => error_event(&error),
    }
}

async fn fail(speaking: Speaking, error: ApiError) -> Bytes {
    error_event(&speaking.open.fail(error).await)
}
