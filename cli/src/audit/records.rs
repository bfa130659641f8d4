//! The records of a server's log as they come, one a line.

use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use bytes::{Buf, Bytes, BytesMut};
use mcpctl_events::record::MAX_RECORD_BYTES;

/// An answer of lines.
pub struct Lines<'a> {
    client: &'a Client,
    response: reqwest::Response,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line break.
    searched: usize,
}

impl<'a> Lines<'a> {
    /// The lines of an answer.
    pub fn of(client: &'a Client, response: reqwest::Response) -> Self {
        Lines { client, response, buffer: BytesMut::new(), searched: 0 }
    }

    /// The records of a server's log, up to the one that holds a sequence.
    pub async fn of_log(client: &'a Client, until: Option<u64>) -> anyhow::Result<Self> {
        let route = Route::api(["audit", "records"]).with("until", until);
        Ok(Self::of(client, client.open(&route).await?))
    }

    /// The next line; none at the end.
    pub async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_RECORD_BYTES {
                return Err(Failure::Malformed { reason: "a line is longer than any record".to_owned() }.into());
            }
            match self.response.chunk().await.map_err(|error| self.client.broken(&error))? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Failure::Malformed { reason: "its last line is cut off".to_owned() }.into()),
            }
        }
    }
}
