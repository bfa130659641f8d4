//! One connection, from request to request.
//!
//! Every publisher keeps a connection open from one heartbeat to the next. HTTP's two buffers would be most of what a
//! publisher costs, so a connection on which nothing is asked is its socket alone, and gets buffers with its next
//! request.

use super::{
    activity::{Activity, Pause, Pauses},
    handover::{Handover, LongLived, write_out},
    last_words::{last_words, stalled},
    socket::Socket,
    stream::Stream,
};
use crate::{
    app::App,
    client_address::Peer,
    clock::Clock,
    limits::{Limit, Refusals},
};
use axum::{Router, body::Body, http::Request, response::Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// How long nothing may be asked before a connection rests: most callers ask again sooner, or not at all.
const REST_AFTER: Duration = Duration::from_secs(4);
/// HTTP reads so many times as much as a head may have: what is a little too large is told so.
const HEADROOM: usize = 2;
/// HTTP's buffers are never smaller.
const LEAST_BUFFER: usize = 64 << 10;

/// What has an answer to every request.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    fn answer(&mut self, request: Request<Body>) -> impl Future<Output = Response> + Send;
}

impl Answer for Router {
    async fn answer(&mut self, request: Request<Body>) -> Response {
        // A router is ready for a request at any time, and has its own answer where no route has one.
        let Ok(response) = self.call(request).await;
        response
    }
}

/// How connections are served.
#[derive(Clone)]
pub(super) struct Connections<A> {
    clock: Clock,
    answers: A,
    /// How long a peer may take nothing.
    patience: Duration,
    /// Most that is read ahead.
    buffer: usize,
    /// How long a client may take to send the head of a request, and how long a connection may wait for one.
    header_timeout: Duration,
    refusals: Arc<Refusals>,
    rest_after: Duration,
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl<A: Answer> Connections<A> {
    pub(super) fn new(answers: A, app: &Arc<App>) -> Self {
        Self {
            clock: app.clock,
            answers,
            patience: app.config.args.idle_timeout,
            buffer: (app.config.args.max_head * HEADROOM).max(LEAST_BUFFER),
            header_timeout: app.config.args.header_timeout,
            refusals: app.limits.refusals.clone(),
            rest_after: REST_AFTER,
            stopping: app.stopping.clone(),
            cut: app.cut.clone(),
        }
    }

    /// Serves requests until the client hangs up or the server stops.
    pub(super) async fn serve(self, stream: Stream, peer: Peer) {
        let mut idle = Idle { stream, unread: Bytes::new(), peer };
        let mut stopping = pin!(self.stopping.cancelled());
        loop {
            tokio::select! {
                asked = idle.asked(self.header_timeout) => if !asked { return },
                () = &mut stopping => return,
            }
            // In boxes of their own: what waits for a request is as small as it can be.
            let next = match Box::pin(self.exchange(idle, stopping.as_mut())).await {
                Next::Rests(idle) => Some(idle),
                Next::StreamsOn(idle, body) => Box::pin(write_out(idle, body, self.patience, &self.cut)).await,
                Next::Over => None,
            };
            match next {
                Some(next) => idle = next,
                None => return,
            }
        }
    }

    /// Answers requests until there are none for a while, or one has an answer that goes on for long.
    async fn exchange(&self, idle: Idle, stopping: Pin<&mut impl Future<Output = ()>>) -> Next {
        let peer = idle.peer;
        let (activity, handover) = (Arc::new(Activity::default()), Handover::default());
        let socket = Socket::new(TokioIo::new(idle.stream), idle.unread, self.patience, activity.clone());
        let (answers, noted, lending) = (self.answers.clone(), activity.clone(), handover.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let answering = Answering::begin(&noted);
            let lending = Handover::is_possible(&request).then(|| lending.clone());
            let mut answers = answers.clone();
            async move {
                let response = answers.answer(request.map(Body::new)).await;
                if response.extensions().get::<NextIsFar>().is_some() {
                    answering.0.rest_next();
                }
                let lending = lending.filter(|_| response.extensions().get::<LongLived>().is_some());
                let lend = |body| match lending {
                    Some(handover) => handover.lend(body),
                    None => body,
                };
                Ok::<_, Infallible>(response.map(|body| Answered { body: lend(body), _answering: answering }))
            }
        });
        // Heads that take too long are noticed by their pause.
        let mut serving =
            http1::Builder::new().header_read_timeout(None).max_buf_size(self.buffer).serve_connection(socket, service);
        let mut pauses = Pauses::new(self.clock, self.rest_after, self.header_timeout);
        let ended = tokio::select! {
            ended = poll_fn(|context| match Pin::new(&mut serving).poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Ended::ByHttp(outcome)),
                Poll::Pending if handover.is_ready() && activity.is_written() => Poll::Ready(Ended::Paused),
                Poll::Pending => pauses.poll(&activity, context).map(|pause| match pause {
                    Pause::Rest => Ended::Paused,
                    Pause::Stall => Ended::Stalled,
                }),
            }) => ended,
            // What is not asked yet never will be.
            () = stopping => if activity.is_reading() { return Next::Over } else {
                Pin::new(&mut serving).graceful_shutdown();
                tokio::select! {
                    outcome = &mut serving => Ended::ByHttp(outcome),
                    () = self.cut.cancelled() => return Next::Over,
                }
            }
        };
        match ended {
            Ended::Paused => {
                let body = handover.take();
                // Nothing waits to be written, and what is under way was taken: nothing is lost with the rest of it.
                let parts = serving.into_parts();
                // Even an empty rest keeps the buffer that it was a part of.
                let unread = if parts.read_buf.is_empty() { Bytes::new() } else { parts.read_buf };
                let idle = Idle { stream: parts.io.into_inner().into_inner(), unread, peer };
                match body {
                    Some(body) => Next::StreamsOn(idle, body),
                    None => Next::Rests(idle),
                }
            }
            Ended::ByHttp(Ok(())) => Next::Over,
            Ended::ByHttp(Err(error)) => {
                tracing::debug!(%error, "a connection ended early");
                Next::Over
            }
            Ended::Stalled => {
                self.refusals.count(Limit::HeadTime);
                last_words(serving.into_parts().io.into_inner().into_inner(), &stalled(self.header_timeout)).await;
                Next::Over
            }
        }
    }
}

/// Why an exchange is over.
enum Ended {
    ByHttp(hyper::Result<()>),
    Paused,
    Stalled,
}

/// Marks the response to a request that clients repeat after a while, and make on a connection that they use for nothing
/// else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextIsFar;

/// How a connection goes on.
enum Next {
    /// Nothing is asked.
    Rests(Idle),
    /// The head of an answer was written, and some of its body; this is the rest.
    StreamsOn(Idle, Body),
    Over,
}

/// A connection between two requests.
pub(super) struct Idle {
    pub(super) stream: Stream,
    /// What came of the next request already.
    pub(super) unread: Bytes,
    pub(super) peer: Peer,
}

impl Idle {
    /// Waits for a request; false if none comes.
    async fn asked(&mut self, within: Duration) -> bool {
        if self.unread.is_empty() {
            let Ok(Some(unread)) = timeout(within, self.stream.asked()).await else { return false };
            self.unread = unread;
        }
        true
    }
}

/// Held from a request's head to the end of its answer.
struct Answering(Arc<Activity>);

impl Answering {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.answer_begins();
        Self(activity.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answer_ends();
    }
}

/// The body of an answer, as it is.
struct Answered {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
