//! Sending a task's lines: one streamed request, or batches where something in between holds streams back.

use crate::{
    http::{Payload, within},
    json::ACCEPTED,
    lines::Lines,
    server::{CallError, Server},
    settings::Timing,
};
use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use std::{
    future, mem,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{sync::Notify, time};
use tracing::{debug, warn};

/// A batch is sent after this time, or when it has [`BATCH_BYTES`].
const BATCH_EVERY: Duration = Duration::from_millis(50);
const BATCH_BYTES: usize = 16 * 1024;

/// The task was cancelled while its result was on its way.
#[derive(Debug, thiserror::Error)]
#[error("the task was cancelled")]
pub struct Cut;

/// What a task's upload and its surroundings tell each other.
#[derive(Debug, Default)]
pub struct Signals {
    cut: AtomicBool,
    ended: AtomicBool,
    waker: AtomicWaker,
    begun: Notify,
    acked: Notify,
}

impl Signals {
    /// Ends the upload where it is, and with it the model's connection.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The server has the upload's first object. Whether more of it is still to come: then nothing holds uploads back.
    pub fn acked(&self) -> bool {
        self.acked.notify_one();
        !self.ended.load(Ordering::Acquire)
    }

    /// Resolves when the upload began and no ack came in time, nor lately for another upload that was still going on;
    /// otherwise never. A server that is busy answers late, and is no proxy.
    async fn unacked(&self, server: &Server, time: Duration) {
        self.begun.notified().await;
        loop {
            if within(time, self.acked.notified()).await.is_some() {
                future::pending::<()>().await;
            }
            if !server.passed_lately() {
                return;
            }
        }
    }
}

/// The body of a streamed upload.
#[derive(Debug)]
pub struct Upload {
    lines: Lines,
    signals: Arc<Signals>,
    begun: bool,
}

impl Upload {
    /// The next lines of the body.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        self.signals.waker.register(cx.waker());
        if self.signals.cut.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(Cut)));
        }
        let lines = ready!(self.lines.poll(cx));
        if !mem::replace(&mut self.begun, true) {
            self.signals.begun.notify_one();
        }
        if lines.is_none() {
            self.signals.ended.store(true, Ordering::Release);
        }
        Poll::Ready(lines.map(Ok))
    }
}

/// Sends a result that is one line. Sent again when the connection breaks: the server takes it once.
///
/// # Errors
/// When the server cannot be reached, or refuses it.
pub async fn whole(server: &Server, task_id: &str, line: Bytes) -> Result<(), CallError> {
    match server.upload(task_id, Payload::Whole(line.clone())).await {
        Err(CallError::Unreachable { .. }) => server.upload(task_id, Payload::Whole(line)).await,
        answered => answered,
    }
}

/// Sends lines while they are made.
///
/// # Errors
/// When the server cannot be reached, or refuses them.
pub async fn streamed(
    server: &Server,
    task_id: &str,
    lines: Lines,
    signals: &Arc<Signals>,
    timing: &Timing,
) -> Result<(), CallError> {
    if server.wants_batches() {
        return batched(server, task_id, lines).await;
    }
    let upload = Upload { lines, signals: signals.clone(), begun: false };
    let mut upload = pin!(server.upload(task_id, Payload::Upload(upload)));
    tokio::select! {
        biased;
        sent = &mut upload => return sent,
        () = signals.unacked(server, timing.ack) => {}
    }
    if server.batch() {
        warn!(
            "something between here and {} holds uploads back (a proxy that buffers requests?): \
             from now on results go there in small batches",
            server.endpoint.url
        );
    }
    // What this upload holds arrives when it ends; until then the server must know that the task is being worked on.
    let accepted = server.upload(task_id, Payload::Whole(ACCEPTED));
    let (sent, accepted) = tokio::join!(upload, accepted);
    if let Err(error) = accepted {
        debug!("task {task_id}: could not be accepted beside its upload: {error}");
    }
    sent
}

/// One request after the other, each with the lines of a moment.
async fn batched(server: &Server, task_id: &str, mut lines: Lines) -> Result<(), CallError> {
    while let Some(first) = lines.next().await {
        let mut batch = BytesMut::from(first);
        let mut moment = pin!(time::sleep(BATCH_EVERY));
        let mut ended = false;
        while !ended && batch.len() < BATCH_BYTES {
            tokio::select! {
                biased;
                next = lines.next() => match next {
                    Some(more) => batch.extend_from_slice(&more),
                    None => ended = true,
                },
                () = &mut moment => break,
            }
        }
        server.upload(task_id, Payload::Whole(batch.freeze())).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::Client, server::Batching, settings::Endpoint};
    use tokio_util::task::TaskTracker;

    const ACK: Duration = Duration::from_secs(1);

    fn server() -> Server {
        let endpoint = Endpoint { url: "http://a".to_owned(), token: String::new() };
        let client = Client::new(ACK, &TaskTracker::new());
        Server::new(endpoint, "s".to_owned(), client, Batching::default()).expect("a server")
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_no_proxy() {
        let (server, signals) = (server(), Signals::default());
        signals.begun.notify_one();
        assert!(signals.acked(), "the upload goes on: nothing holds it back");
        server.passed();
        let (later, began) = (Signals::default(), time::Instant::now());
        later.begun.notify_one();
        later.unacked(&server, ACK).await;
        assert!(began.elapsed() > Duration::from_secs(59), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ack_that_comes_after_the_end_says_nothing_of_the_way() {
        let (server, signals) = (server(), Signals::default());
        signals.ended.store(true, Ordering::Release);
        assert!(!signals.acked());
        let (later, began) = (Signals::default(), time::Instant::now());
        later.begun.notify_one();
        later.unacked(&server, ACK).await;
        assert_eq!(began.elapsed(), ACK);
    }
}
