//! Accepting connections.

use super::{
    connection::{Answer, Connections},
    last_words::raw,
    stream::Stream,
};
use crate::{app::App, client_address::Peer, error::ApiError, limits::Limit, tls::Tls, vital::Vital};
use axum::http::StatusCode;
use socket2::TcpKeepalive;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Pause after an accept that failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A peer that says nothing is asked, by the system, whether it is still there: first after this time, then again.
const ASKED_AFTER: Duration = Duration::from_mins(1);
const ASKED_AGAIN: Duration = Duration::from_secs(20);

/// Bytes that may wait in the system for a peer to take them.
#[cfg(any(target_os = "android", target_os = "linux"))]
const MOST_UNSENT: u32 = 128 << 10;

/// Serves until the server stops; connections end after the request that they are at.
pub(super) async fn serve(listener: TcpListener, answers: impl Answer, app: Arc<App>, tls: Option<Arc<Tls>>) {
    let _vital = Vital::new("listener", &app.died);
    let connections = Connections::new(answers, &app);
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = app.stopping.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                let Some(open) = Open::one_more(&app) else {
                    turn_away(&app, &stream);
                    continue;
                };
                let (connections, secured, within) = (connections.clone(), tls.clone(), app.config.args.header_timeout);
                let (stopping, refusals) = (app.stopping.clone(), app.limits.refusals.clone());
                app.tasks.spawn(async move {
                    let _open = open;
                    let stream = match secured {
                        None => Stream::Plain(stream),
                        // A peer that is slow to greet is one that is slow to ask.
                        Some(tls) => {
                            let greeting = timeout(within, Box::pin(tls.acceptor().accept(stream)));
                            let greeted = tokio::select! {
                                greeted = greeting => greeted,
                                () = stopping.cancelled() => return,
                            };
                            match greeted {
                                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                                Ok(Err(error)) => return tracing::debug!(%error, %peer, "no TLS was agreed on"),
                                Err(_) => return refusals.count(Limit::HeadTime),
                            }
                        }
                    };
                    connections.serve(stream, Peer(peer.ip())).await;
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "a connection could not be accepted; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Without it every small chunk of a stream waits up to 40 ms for the peer's acknowledgement.
    stream.set_nodelay(true)?;
    // One that vanished while only it was to say something, in the middle of a body, would stay for ever.
    let keepalive = TcpKeepalive::new().with_time(ASKED_AFTER).with_interval(ASKED_AGAIN);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    // A peer that reads slowly shows by ever more of it being sent, and costs the system no megabytes. Where it cannot be
    // set, such a peer is given up too early.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket2::SockRef::from(&stream).set_tcp_notsent_lowat(MOST_UNSENT)?;
    Ok((stream, peer))
}

/// Says that there is no room, as far as the socket takes it at once: nothing is kept for a connection too many.
fn turn_away(app: &App, stream: &TcpStream) {
    app.limits.refusals.count(Limit::Connections);
    let message = format!(
        "the server has {} connections open, the limit of --max-connections; try again later",
        app.config.args.max_connections
    );
    let error = Limit::Connections.refuse(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_CONNECTIONS", message);
    if app.config.args.tls_cert.is_none() {
        let _ = stream.try_write(&raw(&ApiError { retry_after: Some(5), ..error }));
        // What was asked is not waited for; unread, it would take the answer with it.
        let _ = stream.try_read(&mut [0; 4096]);
        let _ = socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write);
    }
}

/// A connection that is open, as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn one_more(app: &App) -> Option<Self> {
        let most = app.config.args.max_connections;
        let room = |open: usize| (open < most).then_some(open + 1);
        app.limits.connections.fetch_update(Relaxed, Relaxed, room).ok().map(|_| Self(app.limits.connections.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_do_not_wait_for_acknowledgements() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_peer, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), accept(&listener));
        assert!(accepted.unwrap().0.nodelay().unwrap());
    }
}
