//! A connection's socket: it notes what the connection is doing, and gives up a peer that takes nothing.
//!
//! Without the latter a caller that does not read its answer, or a publisher that is frozen, holds a call, and the model
//! behind it, for as long as its socket lives: the deadlines of a call are looked at only when more of it can be written.

use super::activity::Activity;
use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// Fails a write that makes no progress for `patience`.
pub(super) struct Socket<T> {
    io: T,
    /// What was read of it before; it is read first.
    unread: Bytes,
    patience: Duration,
    /// Runs while a write is waiting.
    waiting: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
}

impl<T> Socket<T> {
    pub(super) fn new(io: T, unread: Bytes, patience: Duration, activity: Arc<Activity>) -> Self {
        Self { io, unread, patience, waiting: None, activity }
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }

    fn judge<R>(&mut self, written: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            if self.waiting.take().is_some() {
                self.activity.write_waits(false);
            }
            return written;
        }
        self.activity.write_waits(true);
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        if waiting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")));
        }
        Poll::Pending
    }
}

impl<T: Read + Unpin> Read for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        } else {
            let most = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(most));
        }
        // The end of the stream counts too: the connection is about to end.
        self.activity.read();
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What TLS holds back waits for the peer just as well.
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.judge(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use std::future::poll_fn;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::Instant,
    };

    const PATIENCE: Duration = Duration::from_mins(1);

    fn socket(near: DuplexStream, unread: &'static str) -> Socket<TokioIo<DuplexStream>> {
        let activity = Arc::new(Activity::default());
        Socket::new(TokioIo::new(near), Bytes::from_static(unread.as_bytes()), PATIENCE, activity)
    }

    async fn write(io: &mut (impl Write + Unpin), bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *io).poll_write(context, bytes)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_makes_no_progress_fails_in_time_and_one_that_does_never() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut socket = socket(near, "");
        for _ in 0..3 {
            assert_eq!(write(&mut socket, b"abcd").await.unwrap(), 4);
            tokio::time::sleep(PATIENCE * 2).await;
            far.read_exact(&mut [0; 4]).await.unwrap();
        }
        assert_eq!(write(&mut socket, b"abcd").await.unwrap(), 4, "the buffer is full now");
        let began = Instant::now();
        assert_eq!(write(&mut socket, b"e").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_waits_for_the_peer_too() {
        let (near, mut far) = tokio::io::duplex(4);
        let activity = Arc::new(Activity::default());
        let near = TokioIo::new(tokio::io::BufWriter::new(near));
        let mut socket = Socket::new(near, Bytes::new(), PATIENCE, activity.clone());
        let flush = async |socket: &mut Socket<_>| poll_fn(|context| Pin::new(&mut *socket).poll_flush(context)).await;
        assert_eq!(write(&mut socket, b"abcdef").await.unwrap(), 6, "all of it is taken, as TLS does");
        let flushed = tokio::time::timeout(PATIENCE / 2, flush(&mut socket)).await;
        assert!(flushed.is_err() && !activity.is_written(), "not all of it is with the system");
        far.read_exact(&mut [0; 4]).await.unwrap();
        flush(&mut socket).await.unwrap();
        assert!(activity.is_written());
        assert_eq!(write(&mut socket, b"abcdef").await.unwrap(), 6);
        assert_eq!(flush(&mut socket).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_was_read_before_is_read_first() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b" then the rest").await.unwrap();
        drop(far);
        let mut read = String::new();
        TokioIo::new(socket(near, "what was there")).read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "what was there then the rest");
    }
}
