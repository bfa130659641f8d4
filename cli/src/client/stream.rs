//! Server-sent events of an answer, as they come.

use super::Client;
use super::failure::Failure;
use super::route::{Route, Subject};
use mcpctl_events::wire::sse;
use std::time::Duration;
use tokio::time::timeout;

/// Longest silence of a stream: whatever else it waits for, the server says something every 15 s.
const SILENCE: Duration = Duration::from_mins(1);

/// The events of an answer.
pub struct Stream<'a> {
    client: &'a Client,
    subject: Option<Subject>,
    response: reqwest::Response,
    reader: sse::Reader,
}

impl<'a> Stream<'a> {
    /// The events of this answer to a request on `route`.
    pub fn of(client: &'a Client, route: &Route, response: reqwest::Response) -> Self {
        Stream { client, subject: route.subject(), response, reader: sse::Reader::default() }
    }

    /// The failure of a stream that said so, or that ended too early.
    pub fn failed(self, error: impl Into<String>) -> anyhow::Error {
        Failure::Stream { error: error.into(), subject: self.subject }.into()
    }

    /// The data of the next event; none at the end.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(data) = self.reader.next_data() {
                return Ok(Some(data));
            }
            let Ok(piece) = timeout(SILENCE, self.response.chunk()).await else {
                let silence = format!("no sign of life for {} s", SILENCE.as_secs());
                return Err(self.client.silent(silence).into());
            };
            let Some(piece) = piece.map_err(|error| self.client.broken(&error))? else { return Ok(None) };
            self.reader.feed(&piece).map_err(|error| Failure::Malformed { reason: error.to_string() })?;
        }
    }
}
