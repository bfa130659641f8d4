//! An answer that goes on for days leaves HTTP's connection once its head is out.
//!
//! A publisher's stream says little and never ends, and HTTP's two buffers would be most of what it costs. What is left
//! to do is little: each piece of the body is a chunk of its own ([RFC 9112, 7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1)),
//! and a peer that hangs up ends it. After the last chunk the connection is one that waits for a request again.

use super::{connection::Idle, stream::Stream};
use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Version,
    header::{CONNECTION, TRANSFER_ENCODING, UPGRADE},
};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Most that a peer may send ahead during the answer.
const MAX_AHEAD: usize = 64 << 10;

/// Marks the response whose body may leave HTTP's connection: it goes on for long, and its length is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongLived;

/// The body of an answer that may be taken out of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    body: Option<Body>,
    /// All that there was of it is with HTTP, which has written its head before.
    waits: bool,
}

impl Handover {
    /// Whether the answer to this request could be: one without a body, on a connection that goes on after it.
    pub(super) fn is_possible<B: HttpBody>(request: &Request<B>) -> bool {
        let has =
            |headers: &HeaderMap| [CONNECTION, UPGRADE, TRANSFER_ENCODING].iter().any(|it| headers.contains_key(it));
        request.version() == Version::HTTP_11 && request.body().is_end_stream() && !has(request.headers())
    }

    /// The body as HTTP sees it, until it is taken.
    pub(super) fn lend(&self, body: Body) -> Body {
        *self.slot() = Slot { body: Some(body), waits: false };
        Body::new(Lent(self.clone()))
    }

    /// Takes the body once HTTP has been given all that there is of it so far; the caller sees to it that it is written.
    pub(super) fn take(&self) -> Option<Body> {
        let mut slot = self.slot();
        if slot.waits { slot.body.take() } else { None }
    }

    /// Whether [`Handover::take`] would give it.
    pub(super) fn is_ready(&self) -> bool {
        let slot = self.slot();
        slot.waits && slot.body.is_some()
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lent(Handover);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut slot = self.0.slot();
        let Some(body) = &mut slot.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        slot.waits = frame.is_pending();
        frame
    }
}

/// Writes the rest of an answer, chunk by chunk; `None` if the connection is over with it. A peer may take nothing for
/// `patience`.
pub(super) async fn write_out(idle: Idle, mut body: Body, patience: Duration, cut: &CancellationToken) -> Option<Idle> {
    let Idle { mut stream, unread, peer } = idle;
    let mut ahead = unread.to_vec();
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = hung_up(&mut stream, &mut ahead) => return None,
            () = cut.cancelled() => return None,
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.ok()?.into_data() else { continue };
        // An empty chunk would be the last.
        if !data.is_empty() {
            write(&mut stream, chunk(data), patience, cut).await?;
        }
    }
    write(&mut stream, &b"0\r\n\r\n"[..], patience, cut).await?;
    Some(Idle { stream, unread: ahead.into(), peer })
}

fn chunk(data: Bytes) -> impl Buf {
    Bytes::from(format!("{:x}\r\n", data.len())).chain(data).chain(&b"\r\n"[..])
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: impl Buf,
    patience: Duration,
    cut: &CancellationToken,
) -> Option<()> {
    while bytes.has_remaining() {
        tokio::select! {
            biased;
            written = timeout(patience, stream.write_buf(&mut bytes)) => written.ok()?.ok()?,
            () = cut.cancelled() => return None,
        };
    }
    // TLS keeps what the socket does not take at once, and sends it when it is told to.
    tokio::select! {
        biased;
        flushed = timeout(patience, stream.flush()) => flushed.ok()?.ok(),
        () = cut.cancelled() => None,
    }
}

/// Returns when the peer hangs up. What it sends ahead of its next request is kept; one that sends too much is not
/// looked at any more.
async fn hung_up(stream: &mut Stream, ahead: &mut Vec<u8>) {
    while ahead.len() < MAX_AHEAD {
        if !stream.read_ahead(ahead).await {
            return;
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, BufWriter};

    #[tokio::test]
    async fn what_is_written_is_sent_also_where_it_is_held_back_at_first() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        // As TLS does with what the socket does not take at once.
        let mut near = BufWriter::new(near);
        let cut = CancellationToken::new();
        assert_eq!(write(&mut near, &b"a frame"[..], Duration::from_secs(5), &cut).await, Some(()));
        let mut read = [0; 7];
        timeout(Duration::from_secs(5), far.read_exact(&mut read)).await.expect("it was sent").unwrap();
        assert_eq!(&read, b"a frame");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_while_it_is_flushed() {
        let (near, _far) = tokio::io::duplex(4);
        let mut near = BufWriter::new(near);
        let cut = CancellationToken::new();
        assert_eq!(write(&mut near, &b"a frame"[..], Duration::from_secs(5), &cut).await, None);
    }
}
