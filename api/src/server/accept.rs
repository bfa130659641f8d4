//! Accepting connections.

use super::connection::{Answer, Connections};
use crate::{app::App, vital::Vital};
use socket2::TcpKeepalive;
use std::{io, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};

/// Pause after an accept that failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A peer that says nothing is asked, by the system, whether it is still there: first after this time, then again.
const ASKED_AFTER: Duration = Duration::from_mins(1);
const ASKED_AGAIN: Duration = Duration::from_secs(20);

/// Bytes that may wait in the system for a peer to take them.
#[cfg(any(target_os = "android", target_os = "linux"))]
const MOST_UNSENT: u32 = 128 << 10;

/// Serves until the server stops; connections end after the request that they are at.
pub(super) async fn serve(listener: TcpListener, answers: impl Answer, app: Arc<App>) {
    let _vital = Vital::new("listener", &app.died);
    let connections = Connections::new(answers, &app);
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = app.stopping.cancelled() => return,
        };
        match accepted {
            Ok(stream) => {
                failing = false;
                app.tasks.spawn(connections.clone().serve(stream));
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

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Without it every small chunk of a stream waits up to 40 ms for the peer's acknowledgement.
    stream.set_nodelay(true)?;
    // One that vanished while only it was to say something, in the middle of a body, would stay for ever.
    let keepalive = TcpKeepalive::new().with_time(ASKED_AFTER).with_interval(ASKED_AGAIN);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    // A peer that reads slowly shows by ever more of it being sent, and costs the system no megabytes. Where it cannot be
    // set, such a peer is given up too early.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket2::SockRef::from(&stream).set_tcp_notsent_lowat(MOST_UNSENT)?;
    Ok(stream)
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
