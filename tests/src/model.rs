//! A model server that does as it is told.

mod fluent;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use futures_util::stream;
use serde_json::{Value, json};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// How calls are answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With this status, content type and body.
    Whole(u16, &'static str, String),
    /// Chunks with a pause before each, then `[DONE]`.
    Chunks(Vec<String>, Duration),
    /// The same chunk without end, with a pause before each.
    Endless(String, Duration),
    /// Chunks, then the connection breaks.
    Breaks(Vec<String>),
    /// A redirect to this URL.
    Redirect(String),
    /// Nothing, ever.
    Never,
    /// Says `hello` in every shape that OpenAI's API has; where tools are offered, it calls the first.
    Fluent,
}

/// A call as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

#[derive(Debug)]
struct Inner {
    reply: Mutex<Reply>,
    models: Mutex<Vec<&'static str>>,
    calls: Mutex<Vec<Call>>,
    open: AtomicUsize,
}

/// The server; it ends with its value.
#[derive(Debug)]
pub struct Model {
    /// Its base URL, without `/v1`.
    pub url: String,
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Model {
    /// Starts on a port of its own.
    pub async fn start(reply: Reply) -> Self {
        Self::start_at(crate::port::free(), reply).await
    }

    /// Starts on a port.
    pub async fn start_at(port: u16, reply: Reply) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let inner = Arc::new(Inner {
            reply: Mutex::new(reply),
            models: Mutex::new(vec!["m"]),
            calls: Mutex::default(),
            open: AtomicUsize::new(0),
        });
        let routes = Router::new().route("/v1/models", get(models)).fallback(call).with_state(inner.clone());
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("TCP_NODELAY"));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Self { url: format!("http://127.0.0.1:{port}"), inner, serving }
    }

    /// Answers otherwise from now on.
    pub fn replies(&self, reply: Reply) {
        *self.inner.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// Has these models from now on.
    pub fn lists(&self, models: &[&'static str]) {
        *self.inner.models.lock().unwrap_or_else(PoisonError::into_inner) = models.to_vec();
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls whose connection is still held.
    pub fn open(&self) -> usize {
        self.inner.open.load(Ordering::SeqCst)
    }
}

/// An answer with this text.
pub fn says(text: &str) -> Reply {
    let body = crate::samples::completion(text)["body"].to_string();
    Reply::Whole(200, "application/json", body)
}

async fn models(State(inner): State<Arc<Inner>>) -> Response {
    let models = inner.models.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let data: Vec<Value> = models.iter().map(|id| json!({"id": id, "object": "model"})).collect();
    axum::Json(json!({"object": "list", "data": data})).into_response()
}

/// A call whose connection is held.
pub(crate) struct Open(Arc<Inner>);

impl Open {
    fn new(inner: Arc<Inner>) -> Self {
        inner.open.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn call(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = parts.uri.path().to_owned();
    let seen = Call { path: path.clone(), headers: parts.headers, body: body.clone() };
    inner.calls.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let open = Open::new(inner.clone());
    let reply = inner.reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match reply {
        Reply::Whole(status, kind, body) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("content-type", kind)], body).into_response()
        }
        Reply::Fluent => fluent::answer(&path, &body, open),
        Reply::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
        Reply::Never => {
            std::future::pending::<()>().await;
            drop(open);
            StatusCode::OK.into_response()
        }
        Reply::Chunks(chunks, pause) => {
            let chunks = chunks.into_iter().chain(["[DONE]".to_owned()]).map(Ok);
            events(chunks, pause, open)
        }
        Reply::Endless(chunk, pause) => events(std::iter::repeat_with(move || Ok(chunk.clone())), pause, open),
        Reply::Breaks(chunks) => {
            let broken = std::iter::once_with(|| Err(io::Error::other("out of memory")));
            events(chunks.into_iter().map(Ok).chain(broken), Duration::from_millis(50), open)
        }
    }
}

pub(crate) fn events<I>(chunks: I, pause: Duration, open: Open) -> Response
where
    I: Iterator<Item = io::Result<String>> + Send + 'static,
{
    let body = stream::unfold((chunks, open), move |(mut chunks, open)| async move {
        let chunk = chunks.next()?;
        tokio::time::sleep(pause).await;
        Some((chunk.map(|chunk| format!("data: {chunk}\n\n")), (chunks, open)))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}
