//! The one HTTP client: HTTP/1.1, `TCP_NODELAY`, no redirects, no cookies, TLS only once a URL asks for it.

use crate::upload::Upload;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioTimer,
};
use mcpctl_events::wire::server::misspoken;
use rustls_platform_verifier::BuilderVerifierExt;
use std::{
    error::Error as StdError,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};
use tokio_util::task::TaskTracker;

/// How long a dial may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long the other side may leave sent bytes unconfirmed; longer than any reader may pause.
const UNCONFIRMED_AT_MOST: Duration = Duration::from_secs(90);
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A request body.
#[derive(Debug)]
pub enum Payload {
    /// All there is, with a `Content-Length`.
    Whole(Bytes),
    /// Made while it is sent.
    Upload(Upload),
    /// Small pieces with pauses between them.
    Paced(Paced),
}

/// A body that shows whether it passes as it is sent.
#[derive(Debug)]
pub struct Paced {
    pieces: u32,
    every: Duration,
    pause: Pin<Box<Sleep>>,
}

impl Paced {
    /// So many pieces, each after a pause.
    pub fn new(pieces: u32, every: Duration) -> Self {
        Self { pieces, every, pause: Box::pin(sleep(every)) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.pieces == 0 {
            return Poll::Ready(None);
        }
        ready!(self.pause.as_mut().poll(cx));
        self.pieces -= 1;
        self.pause = Box::pin(sleep(self.every));
        Poll::Ready(Some(Bytes::from_static(b"{}\n")))
    }
}

impl Payload {
    /// No body.
    pub fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = crate::upload::Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Upload(upload) => upload.poll(cx).map(|next| next.map(|line| line.map(Frame::data))),
            Self::Paced(paced) => paced.poll(cx).map(|next| next.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upload(_) | Self::Paced(_) => SizeHint::default(),
        }
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// The innermost cause, such as `connection refused`.
    pub reason: String,
    /// Nobody listens there, or nobody answers the dial.
    pub no_connection: bool,
}

type Plain = legacy::Client<HttpConnector, Payload>;
type Tls = legacy::Client<HttpsConnector<HttpConnector>, Payload>;

/// A client with a pool of kept-alive connections, which its clones share.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Arc<Mutex<Arc<Pool>>>,
}

/// The connections, and how they are made.
#[derive(Debug)]
struct Pool {
    plain: Plain,
    tls: OnceLock<Result<Tls, String>>,
    idle: Duration,
    tracker: TaskTracker,
}

impl Client {
    /// A client whose connections are closed after being `idle` for that long, and whose tasks `tracker` knows.
    ///
    /// `idle` is to be shorter than what the servers themselves allow, so that they don't hang up on a request.
    pub fn new(idle: Duration, tracker: &TaskTracker) -> Self {
        Self { pool: Arc::new(Mutex::new(Arc::new(Pool::new(idle, tracker)))) }
    }

    /// Makes new connections from now on; requests that are on their way keep theirs.
    ///
    /// After the machine slept, the other sides have forgotten the old ones, and say so only after a while.
    pub fn renew(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        *pool = Arc::new(Pool::new(pool.idle, &pool.tracker));
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send(&self, request: Request<Payload>) -> Result<Response<Incoming>, Failure> {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_https = request.uri().scheme_str() == Some("https");
        let answer = if is_https { pool.tls()?.request(request) } else { pool.plain.request(request) };
        answer.await.map_err(|error| {
            let reason = innermost(&error);
            let said = misspoken(&reason, is_https).map(ToOwned::to_owned);
            Failure { reason: said.unwrap_or(reason), no_connection: error.is_connect() }
        })
    }
}

impl Pool {
    fn new(idle: Duration, tracker: &TaskTracker) -> Self {
        let plain = builder(idle, tracker).build(connector());
        Self { plain, tls: OnceLock::new(), idle, tracker: tracker.clone() }
    }

    fn tls(&self) -> Result<&Tls, Failure> {
        let made = self.tls.get_or_init(|| {
            let config = tls_config().map_err(|error| format!("TLS cannot be set up: {error}"))?;
            let https = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
            Ok(builder(self.idle, &self.tracker).build(https.wrap_connector(connector())))
        });
        made.as_ref().map_err(|reason| Failure { reason: reason.clone(), no_connection: true })
    }
}

fn tls_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}

fn builder(idle: Duration, tracker: &TaskTracker) -> legacy::Builder {
    let mut builder = legacy::Client::builder(Tracked(tracker.clone()));
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(idle);
    builder
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_WITHIN));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE));
    connector.set_keepalive_retries(Some(3));
    #[cfg(any(target_os = "android", target_os = "linux"))]
    connector.set_tcp_user_timeout(Some(UNCONFIRMED_AT_MOST));
    connector
}

/// Runs the client's connections as tasks that a shutdown can wait for.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// The last cause in the chain says most and repeats nothing.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It is longer than it may be.
    #[error("the answer is larger than {} MiB", .0 / 1024 / 1024)]
    TooLarge(usize),
    /// The connection broke.
    #[error("the connection was lost within the answer: {0}")]
    Broken(String),
}

/// Reads a body of at most so many bytes; one that came in one piece is not copied.
///
/// # Errors
/// When it is longer, or the connection breaks.
pub async fn read_all(mut body: Incoming, at_most: usize) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| Unread::Broken(innermost(&error)))?.into_data() else { continue };
        if first.len().max(all.len()) + data.len() > at_most {
            return Err(Unread::TooLarge(at_most));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// A future's result, or none when it takes too long.
pub async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_service::Service;

    #[tokio::test]
    async fn no_socket_waits_for_small_writes_to_add_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}/").parse().expect("a URL");
        let stream = connector().call(url).await.expect("connected");
        assert!(stream.inner().nodelay().expect("known"));
    }

    /// Asks twice, and says how many connections that took.
    #[expect(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
    async fn connections(between: impl FnOnce(&Client)) -> usize {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let accepted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = accepted.clone();
        let app = axum::Router::new().fallback(|| async { "" });
        let counted = axum::serve::ListenerExt::tap_io(listener, move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(counted, app).await });
        let client = Client::new(Duration::from_secs(50), &TaskTracker::new());
        let ask = async || {
            let mut request = Request::new(Payload::empty());
            *request.uri_mut() = url.parse().expect("a URL");
            let answer = client.send(request).await.expect("an answer");
            read_all(answer.into_body(), 10).await.expect("a body");
            // The connection goes back to the pool in a task of its own.
            tokio::task::yield_now().await;
        };
        ask().await;
        between(&client);
        ask().await;
        accepted.load(std::sync::atomic::Ordering::SeqCst)
    }

    #[tokio::test]
    async fn connections_are_kept_until_they_are_renewed() {
        assert_eq!(connections(|_| {}).await, 1);
        assert_eq!(connections(Client::renew).await, 2);
    }

    #[test]
    fn tls_can_be_set_up() {
        assert!(tls_config().is_ok());
    }
}
