//! Accepting connections and serving them.

use super::stall::Stall;
use crate::{app::App, vital::Vital};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take to send the head of a request, and how long a connection may wait for one: longer than a
/// publisher's heartbeats are apart, so that they share a connection.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);
/// Largest head of a request, and most that is read ahead of a body.
const MAX_HEAD: usize = 64 << 10;
/// Pause after an accept that failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the server stops; connections end after the request that they are at.
pub(super) async fn serve(listener: TcpListener, router: Router, app: Arc<App>) {
    let _vital = Vital::new("listener", &app.died);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = app.stopping.cancelled() => return,
        };
        match accepted {
            Ok(stream) => {
                app.tasks.spawn(connection(stream, router.clone(), app.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Without it every small chunk of a stream waits up to 40 ms for the peer's acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connection(stream: TcpStream, router: Router, app: Arc<App>) {
    let io = Stall::new(TokioIo::new(stream), app.config.args.idle_timeout);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let outcome = tokio::select! {
        outcome = &mut serving => outcome,
        () = app.stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = &mut serving => outcome,
                () = app.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_do_not_wait_for_acknowledgements() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_peer, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), accept(&listener));
        assert!(accepted.unwrap().nodelay().unwrap());
    }
}
