//! A connection's bytes, in the clear or through TLS.

use bytes::{Bytes, BytesMut};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// What of a request is read while its connection still rests: its first record may be longer.
const FIRST: usize = 4 << 10;

/// See the module.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Waits for the next request, and returns what of it had to be read for that; `None` if the peer hung up.
    pub(super) async fn asked(&mut self) -> Option<Bytes> {
        match self {
            Self::Plain(stream) => stream.readable().await.ok().map(|()| Bytes::new()),
            // What is readable there may be no more than a part of a record, or of TLS's own.
            Self::Tls(stream) => {
                let mut first = BytesMut::with_capacity(FIRST);
                let read = stream.read_buf(&mut first).await.ok()?;
                (read > 0).then(|| first.freeze())
            }
        }
    }

    /// Reads ahead into `buffer`; returns once there is something, with whether the peer is still there.
    pub(super) async fn read_ahead(&mut self, buffer: &mut Vec<u8>) -> bool {
        let read = match self {
            // No buffer is made for what says nothing.
            Self::Plain(stream) => match stream.readable().await {
                Ok(()) => stream.try_read_buf(buffer),
                Err(error) => Err(error),
            },
            Self::Tls(stream) => stream.read_buf(buffer).await,
        };
        match read {
            Ok(read) => read > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
