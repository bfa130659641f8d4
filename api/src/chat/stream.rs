//! A streamed answer: the model's chunks become chat events.

use super::{
    bad_answer,
    reply::{self, Answer},
    voice::Voice,
};
use crate::error::ApiError;
use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use mcpctl_events::wire::{chat::ChatEvent, sse};

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

/// Reads an answer to its end, and says it as it comes: at the end the reasoning as text, if nothing else was said.
pub(super) async fn read(body: Body, voice: &Voice) -> Result<Answer, ApiError> {
    let mut answer = take_all(Chunks::of(body), voice).await?;
    answer.tool_calls.name_all();
    let said_something = answer.content.as_ref().is_some_and(|content| !content.is_empty());
    let text = if said_something { String::new() } else { answer.text() };
    voice.say((!text.is_empty()).then_some(ChatEvent::Text { delta: text })).await;
    Ok(answer)
}

async fn take_all(mut chunks: Chunks, voice: &Voice) -> Result<Answer, ApiError> {
    let mut answer = Answer::default();
    loop {
        let data = match chunks.next().await {
            Ok(Some(data)) if data == "[DONE]" => return Ok(answer),
            Ok(Some(data)) => data,
            Ok(None) if answer.finish_reason.is_some() => return Ok(answer),
            Ok(None) => return Err(bad_answer("the answer ended before it was complete")),
            Err(error) => return Err(bad_answer(format!("the answer broke off: {error}"))),
        };
        match reply::take(&mut answer, &data) {
            // All of it was said; some model servers leave out what should come after.
            Err(_) if answer.finish_reason.is_some() => return Ok(answer),
            Err(error) => return Err(error),
            Ok(piece) => {
                let thinking = piece.reasoning.map(|delta| ChatEvent::Thinking { delta });
                let text = piece.content.map(|delta| ChatEvent::Text { delta });
                voice.say(thinking.into_iter().chain(text)).await;
            }
        }
    }
}
