//! One connection, from request to request.
//!
//! Every publisher keeps a connection open from one heartbeat to the next. HTTP's two buffers would be most of what a
//! publisher costs, so a connection on which nothing is asked is its socket alone, and gets buffers with its next
//! request.

use super::{
    activity::{Activity, Pause, Pauses},
    handover::{Handover, LongLived, write_out},
    socket::Socket,
    stream::Stream,
};
use crate::{
    app::App,
    client_address::Peer,
    clock::Clock,
    error::ApiError,
    limits::{Limit, Refusals},
};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::Response,
};
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
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// How long nothing may be asked before a connection rests: most callers ask again sooner, or not at all.
const REST_AFTER: Duration = Duration::from_secs(4);
/// HTTP reads so many times as much as a head may have: what is a little too large is told so.
const HEADROOM: usize = 2;
/// HTTP's buffers are never smaller.
const LEAST_BUFFER: usize = 64 << 10;
/// How long a client has to take the last words of a connection.
const LAST_WORDS: Duration = Duration::from_secs(1);

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

/// 408, which HTTP has no words for itself.
fn stalled(within: Duration) -> ApiError {
    let message = format!(
        "the head of the request was not whole after {} s, the limit of --header-timeout",
        within.as_secs_f64()
    );
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "HEAD_STALLED", message)
}

/// Tells why a connection is closed on which there is no request to answer.
async fn last_words(mut stream: Stream, error: &ApiError) {
    let said = async {
        stream.write_all(&raw(error)).await?;
        stream.shutdown().await
    };
    let _ = timeout(LAST_WORDS, said).await;
}

/// An error as it goes out where there is no request to answer.
pub(super) fn raw(error: &ApiError) -> Vec<u8> {
    let body = serde_json::to_string(&error.body()).unwrap_or_default();
    let retry_after = error.retry_after.map(|after| format!("retry-after: {after}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry_after}connection: close\r\n\r\n",
        error.status,
        body.len()
    );
    (head + &body).into_bytes()
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
mod tests {
    use super::*;
    use axum::{response::IntoResponse, routing::post};
    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
        task::JoinHandle,
        time::sleep,
    };

    const REST: Duration = Duration::from_millis(5);
    /// A connection on which nothing is asked for so long has begun to rest.
    const PAUSE: Duration = Duration::from_millis(40);
    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(20);

    struct Served {
        client: TcpStream,
        task: JoinHandle<()>,
        stopping: CancellationToken,
        /// What `/stream` answers; it ends with the sender.
        pieces: tokio::sync::mpsc::Sender<&'static str>,
    }

    impl Served {
        async fn new(header_timeout: Duration) -> Self {
            let slow = post(|body: String| async move {
                sleep(PAUSE).await;
                body
            });
            let (pieces, body) = tokio::sync::mpsc::channel(8);
            let body = Arc::new(std::sync::Mutex::new(Some(body)));
            let stream = post(move || async move {
                let body = body.lock().unwrap().take().expect("one stream");
                let pieces = futures_util::stream::unfold(body, async |mut body| {
                    Some((Ok::<_, Infallible>(body.recv().await?), body))
                });
                let mut response = Body::from_stream(pieces).into_response();
                response.extensions_mut().insert(LongLived);
                response
            });
            let routes = Router::new().route("/echo", post(|body: String| async { body }));
            let beat = post(|| async {
                let mut response = "beaten".into_response();
                response.extensions_mut().insert(NextIsFar);
                response
            });
            let router = routes.route("/slow", slow).route("/stream", stream).route("/beat", beat);
            let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
            let stop = stopping.clone();
            let (clock, rest_after, patience) = (Clock::start(), REST, LONG);
            let connections = Connections {
                clock,
                answers: router,
                patience,
                buffer: LEAST_BUFFER,
                header_timeout,
                refusals: Arc::default(),
                rest_after,
                stopping: stop,
                cut,
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let dialled = TcpStream::connect(listener.local_addr().unwrap());
            let (client, accepted) = tokio::join!(dialled, listener.accept());
            let (accepted, peer) = accepted.unwrap();
            #[expect(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
            let task = tokio::spawn(connections.serve(Stream::Plain(accepted), Peer(peer.ip())));
            Self { client: client.unwrap(), task, stopping, pieces }
        }

        async fn send(&mut self, text: &str) {
            self.client.write_all(text.as_bytes()).await.unwrap();
        }

        /// Reads an answer whose body ends in `mark`.
        async fn read(&mut self, mark: &str) {
            let mut read = String::new();
            while !read.ends_with(mark) {
                read.push(char::from(self.client.read_u8().await.expect("the connection is kept")));
            }
            assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");
            assert!(!read.to_lowercase().contains("connection: close"), "{read}");
        }

        async fn ends(self) {
            assert_eq!(self.last_words().await, "");
        }

        /// What comes before the connection is closed.
        async fn last_words(mut self) -> String {
            let mut rest = Vec::new();
            timeout(LONG, self.client.read_to_end(&mut rest)).await.expect("the connection is closed").unwrap();
            self.task.await.unwrap();
            String::from_utf8_lossy(&rest).into_owned()
        }
    }

    fn request(path: &str, body: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_connection_goes_on_after_every_rest() {
        let mut served = Served::new(LONG).await;
        for body in ["one", "two", "three"] {
            sleep(PAUSE).await;
            served.send(&request("/echo", body)).await;
            served.read(body).await;
        }
    }

    #[tokio::test]
    async fn requests_in_pieces_and_two_at_once_are_answered_across_rests() {
        let mut served = Served::new(LONG).await;
        let whole = request("/echo", "pieces");
        for (from, to) in [(0, 9), (9, 30), (30, whole.len() - 3), (whole.len() - 3, whole.len())] {
            sleep(PAUSE).await;
            served.send(&whole[from..to]).await;
        }
        served.read("pieces").await;
        let (next, head) = (request("/slow", "later"), &whole[..20]);
        served.send(&[request("/slow", "first"), next, head.to_owned()].concat()).await;
        served.read("first").await;
        served.read("later").await;
        sleep(PAUSE).await;
        served.send(&whole[20..]).await;
        served.read("pieces").await;
    }

    /// The pieces of a body, and how it ends.
    async fn stream(served: &mut Served, head: &str, ends: &str) {
        served.send(head).await;
        served.pieces.send("one").await.unwrap();
        served.read("one\r\n").await;
        for piece in ["", "two", "three and more than ten"] {
            sleep(PAUSE).await;
            served.pieces.send(piece).await.unwrap();
        }
        served.pieces = tokio::sync::mpsc::channel(1).0;
        let mut rest = vec![0; ends.len()];
        timeout(LONG, served.client.read_exact(&mut rest)).await.expect("the rest comes").unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), ends);
    }

    #[tokio::test]
    async fn a_long_answer_comes_in_chunks_and_the_connection_goes_on_after_it() {
        let mut served = Served::new(LONG).await;
        let rest = "3\r\ntwo\r\n17\r\nthree and more than ten\r\n0\r\n\r\n";
        stream(&mut served, &request("/stream", ""), rest).await;
        served.send(&request("/echo", "after it")).await;
        served.read("after it").await;
    }

    #[tokio::test]
    async fn what_is_sent_ahead_of_the_end_of_a_long_answer_is_asked_after_it() {
        let mut served = Served::new(LONG).await;
        let (stream_on, next) = (request("/stream", ""), request("/echo", "sent ahead"));
        served.send(&[&*stream_on, &next[..10]].concat()).await;
        served.pieces.send("one").await.unwrap();
        served.read("one\r\n").await;
        served.send(&next[10..]).await;
        served.pieces = tokio::sync::mpsc::channel(1).0;
        let mut end = [0; 5];
        served.client.read_exact(&mut end).await.unwrap();
        assert_eq!(&end, b"0\r\n\r\n");
        served.read("sent ahead").await;
    }

    #[tokio::test]
    async fn a_long_answer_is_dropped_when_its_client_hangs_up() {
        for first in [None, Some("one")] {
            let mut served = Served::new(LONG).await;
            served.send(&request("/stream", "")).await;
            if let Some(piece) = first {
                served.pieces.send(piece).await.unwrap();
                served.read("one\r\n").await;
            }
            drop(served.client);
            timeout(LONG, served.pieces.closed()).await.expect("the body is dropped");
            timeout(LONG, served.task).await.expect("the connection ends").unwrap();
        }
    }

    #[tokio::test]
    async fn a_client_that_closes_after_the_answer_gets_it_from_http() {
        let mut served = Served::new(LONG).await;
        let head = "POST /stream HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        served.send(head).await;
        served.pieces.send("one").await.unwrap();
        served.pieces = tokio::sync::mpsc::channel(1).0;
        let mut all = String::new();
        timeout(LONG, served.client.read_to_string(&mut all)).await.expect("it closes").unwrap();
        assert!(all.ends_with("one\r\n0\r\n\r\n") && all.contains("connection: close"), "{all}");
    }

    #[tokio::test]
    async fn half_a_head_is_not_waited_for_for_ever() {
        for first in [None, Some("one")] {
            let mut served = Served::new(SHORT).await;
            let before = first.map(|body| request("/echo", body)).unwrap_or_default();
            served.send(&format!("{before}POST /ec")).await;
            if let Some(body) = first {
                served.read(body).await;
            }
            let said = served.last_words().await;
            assert!(said.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{said}");
            assert!(said.contains("was not whole after 0.3 s, the limit of --header-timeout"), "{said}");
        }
    }

    #[tokio::test]
    async fn half_a_head_does_not_hold_up_a_stop() {
        let mut served = Served::new(LONG * 2).await;
        served.send("POST /ec").await;
        sleep(PAUSE).await;
        served.stopping.cancel();
        served.ends().await;
    }

    #[tokio::test]
    async fn the_body_of_a_refused_request_behind_a_heartbeat_is_no_request() {
        let mut served = Served::new(LONG).await;
        let within = "POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n";
        let refused = format!("POST /nowhere HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n\r\n", within.len());
        served.send(&[&*request("/beat", ""), &refused].concat()).await;
        served.read("beaten").await;
        sleep(PAUSE).await;
        // The connection may be closed by then.
        let _ = served.client.write_all(within.as_bytes()).await;
        let mut rest = Vec::new();
        let _ = timeout(LONG, served.client.read_to_end(&mut rest)).await.expect("the connection is closed");
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.starts_with("HTTP/1.1 404") && rest.matches("HTTP/1.1").count() == 1, "{rest}");
    }

    #[tokio::test]
    async fn what_asks_nothing_is_closed_in_the_end_and_by_a_stop() {
        let mut served = Served::new(SHORT).await;
        sleep(PAUSE).await;
        served.send(&request("/echo", "one")).await;
        served.read("one").await;
        served.ends().await;
        for rest in [Duration::ZERO, PAUSE] {
            let mut served = Served::new(LONG * 2).await;
            served.send(&request("/echo", "one")).await;
            served.read("one").await;
            sleep(rest).await;
            served.stopping.cancel();
            served.ends().await;
        }
    }
}
