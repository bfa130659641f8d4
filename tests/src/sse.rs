//! Reading server-sent events as they come.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::{pin::Pin, time::Duration};

/// One event, or a comment: then its name is `:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `event:`, else `message`.
    pub name: String,
    /// All `data:` lines.
    pub data: String,
    /// `id:`, if there is one.
    pub id: Option<String>,
}

/// An answer that goes on. Dropping it hangs up.
pub struct Sse {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    text: Vec<u8>,
}

impl Sse {
    /// The events of an answer.
    pub fn new(response: reqwest::Response) -> Self {
        Self { pieces: Box::pin(response.bytes_stream()), text: Vec::new() }
    }

    /// The next event or comment; `None` at the end of the answer, however it came.
    pub async fn any(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                return Some(parse(std::str::from_utf8(&block).expect("events are UTF-8")));
            }
            self.text.extend_from_slice(&self.pieces.next().await?.ok()?);
        }
    }

    /// The next event that is no comment.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            match self.any().await {
                Some(event) if event.name == ":" => {}
                other => return other,
            }
        }
    }

    /// The next event that is no comment; panics at the end of the answer or after five seconds.
    pub async fn next(&mut self) -> Event {
        let next = crate::within("the next event", Duration::from_secs(5), self.event()).await;
        next.expect("the stream goes on")
    }

    /// The payloads of all that follows.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(event) = self.event().await {
            all.push(event.data);
        }
        all
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event { name: "message".to_owned(), data: String::new(), id: None };
    for line in block.lines() {
        if let Some(comment) = line.strip_prefix(':') {
            return Event { name: ":".to_owned(), data: comment.trim().to_owned(), id: None };
        } else if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event.name);
        } else if let Some(id) = line.strip_prefix("id: ") {
            event.id = Some(id.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            if !event.data.is_empty() {
                event.data.push('\n');
            }
            event.data.push_str(data);
        }
    }
    event
}
