//! A registry's server, as small as a publisher can be tested against.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc};

/// What the registry saw, and how it behaves.
#[derive(Default)]
pub struct Seen {
    pub registers: Vec<Value>,
    pub streams: Vec<HeaderMap>,
    pub polls: Vec<HeaderMap>,
    /// What each poll asked to be held for.
    pub waits: Vec<String>,
    /// How the next polls are refused, the first of them first.
    pub refused_polls: VecDeque<(StatusCode, Value)>,
    pub heartbeats: usize,
    pub uploads: Vec<Upload>,
    /// The next heartbeat is answered 404.
    pub forget: bool,
    /// What of a stream never arrives.
    pub lost: Option<Lost>,
    /// How the next registers are refused.
    pub refused_registers: VecDeque<StatusCode>,
    /// The session of the next register is another user's.
    pub session_is_taken: bool,
    /// How the next heartbeats are refused by something on the way.
    pub lost_heartbeats: VecDeque<StatusCode>,
    /// Like a proxy that holds uploads back until they are complete.
    pub buffers: bool,
    /// Like a proxy that takes no larger uploads.
    pub largest_upload: Option<usize>,
    /// The connection breaks under this many uploads, counted from the next one that says more than `accepted`.
    pub breaks: usize,
    /// Seconds between two pings, as `hello` says; none are sent.
    pub ping: Option<f64>,
    out: Option<mpsc::Sender<String>>,
    queue: Vec<Value>,
}

/// One request to the result route.
#[derive(Debug, Clone)]
pub struct Upload {
    pub task: String,
    /// It had a `Content-Length`.
    pub sized: bool,
    pub text: String,
    pub complete: bool,
    pub broken: bool,
}

impl Upload {
    /// It said that the task is being worked on, and nothing else.
    pub fn is_only_accepted(&self) -> bool {
        self.text == "{\"accepted\":true}\n"
    }

    pub fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

impl Seen {
    /// The publisher closed its stream.
    pub fn out_is_closed(&self) -> bool {
        self.out.as_ref().is_some_and(mpsc::Sender::is_closed)
    }
}

/// What something on the way keeps of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Its events: it says nothing.
    Events,
    /// All of it until it is complete, also its head.
    Head,
}

#[derive(Clone, Default)]
pub struct Registry {
    seen: Arc<Mutex<Seen>>,
    pub url: String,
}

impl Registry {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let registry = Self { url, ..Self::default() };
        let routes = Router::new()
            .route("/api/v1/llms/_provider-register", post(register))
            .route("/api/v1/llms/_provider-heartbeat", post(heartbeat))
            .route("/api/v1/llms/_provider-stream", get(open))
            .route("/api/v1/llms/_provider-tasks", get(poll))
            .route("/api/v1/llms/_provider-task/{id}/result", post(result))
            .with_state(registry.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        registry
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("not poisoned")
    }

    /// Uploads of one task, in order.
    pub fn uploads(&self, task: &str) -> Vec<Upload> {
        self.seen().uploads.iter().filter(|upload| upload.task == task).cloned().collect()
    }

    /// The lines of a task's uploads, but for `accepted`.
    pub fn lines(&self, task: &str) -> Vec<Value> {
        let all = self.uploads(task).iter().flat_map(Upload::lines).collect::<Vec<_>>();
        all.into_iter().filter(|line| line.get("accepted").is_none()).collect()
    }

    pub fn event(&self, name: &str, data: &Value) {
        let text = format!("event: {name}\ndata: {data}\n\n");
        let seen = self.seen();
        seen.out.as_ref().expect("a stream").try_send(text).expect("taken");
    }

    pub fn infer(&self, task: &str, llm: &str, streaming: bool) {
        self.send(
            &json!({"kind": "infer", "taskId": task, "llmName": llm, "model": "m", "path": "/v1/chat/completions",
            "streaming": streaming, "deadline": "2030-01-01T00:00:00.000Z",
            "request": {"model": "m", "stream": streaming, "messages": [{"role": "user", "content": "hello"}]}}),
        );
    }

    pub fn send(&self, frame: &Value) {
        if self.seen().out.is_some() {
            self.event("task", frame);
        } else {
            self.seen().queue.push(frame.clone());
        }
    }

    /// Ends the stream without a word.
    pub fn hang_up(&self) {
        self.seen().out = None;
    }
}

async fn register(State(registry): State<Registry>, Json(body): Json<Value>) -> Response {
    let session = body["providerSessionId"].clone();
    registry.seen().registers.push(body);
    if let Some(status) = registry.seen().refused_registers.pop_front() {
        return (status, Json(json!({"error": "not now", "code": "NO"}))).into_response();
    }
    if std::mem::take(&mut registry.seen().session_is_taken) {
        let body = json!({"error": "the session is another user's", "code": "SESSION_OF_ANOTHER_USER"});
        return (StatusCode::FORBIDDEN, Json(body)).into_response();
    }
    (StatusCode::CREATED, Json(json!({"providerSessionId": session, "epoch": 0, "llms": [], "agents": []})))
        .into_response()
}

async fn heartbeat(State(registry): State<Registry>) -> Response {
    let mut seen = registry.seen();
    seen.heartbeats += 1;
    if let Some(status) = seen.lost_heartbeats.pop_front() {
        return (status, "<h1>default backend</h1>").into_response();
    }
    if std::mem::take(&mut seen.forget) {
        let body = json!({"error": "unknown session", "code": "SESSION_NOT_FOUND"});
        return (StatusCode::NOT_FOUND, Json(body)).into_response();
    }
    Json(json!({"connected": true, "llms": 1, "agents": 0})).into_response()
}

async fn open(State(registry): State<Registry>, headers: HeaderMap) -> Response {
    let (out, frames) = mpsc::channel::<String>(1000);
    {
        let mut seen = registry.seen();
        seen.streams.push(headers);
        if seen.lost.is_none() {
            let epoch = seen.streams.len();
            let hello = json!({"providerSessionId": "s", "epoch": epoch, "pingSeconds": seen.ping.unwrap_or(20.0)});
            out.try_send(format!("event: hello\ndata: {hello}\n\n")).expect("room");
        }
        seen.out = Some(out);
    }
    if registry.seen().lost == Some(Lost::Head) {
        std::future::pending::<()>().await;
    }
    let body = stream::unfold(frames, |mut frames| async {
        frames.recv().await.map(|text| (Ok::<_, Infallible>(text), frames))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}

async fn poll(State(registry): State<Registry>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let refused = {
        let mut seen = registry.seen();
        seen.polls.push(headers);
        seen.waits.push(query.unwrap_or_default());
        seen.refused_polls.pop_front()
    };
    if let Some((status, body)) = refused {
        return (status, Json(body)).into_response();
    }
    for _ in 0..100 {
        let tasks = std::mem::take(&mut registry.seen().queue);
        if !tasks.is_empty() {
            return Json(json!({"tasks": tasks})).into_response();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Json(json!({"tasks": []})).into_response()
}

async fn result(State(registry): State<Registry>, Path(task): Path<String>, request: Request) -> Response {
    if too_large(&registry, request.headers()) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "<h1>413 Request Entity Too Large</h1>").into_response();
    }
    let sized = request.headers().contains_key(CONTENT_LENGTH);
    let buffers = registry.seen().buffers;
    let at = {
        let mut seen = registry.seen();
        let upload = Upload { task: task.clone(), sized, text: String::new(), complete: false, broken: false };
        seen.uploads.push(upload);
        seen.uploads.len() - 1
    };
    let mut body = request.into_body().into_data_stream();
    let mut held: Vec<Bytes> = Vec::new();
    let mut acked = false;
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else {
            registry.seen().uploads[at].broken = true;
            return StatusCode::BAD_REQUEST.into_response();
        };
        if buffers && !sized {
            held.push(piece);
            continue;
        }
        registry.seen().uploads[at].text.push_str(std::str::from_utf8(&piece).expect("utf-8"));
        if !std::mem::replace(&mut acked, true) && registry.seen().out.is_some() {
            registry.event("task", &json!({"kind": "ack", "taskId": task}));
        }
    }
    let mut seen = registry.seen();
    for piece in held {
        seen.uploads[at].text.push_str(std::str::from_utf8(&piece).expect("utf-8"));
    }
    if seen.breaks > 0 && !seen.uploads[at].is_only_accepted() {
        seen.breaks -= 1;
        seen.uploads[at].broken = true;
        return broken();
    }
    seen.uploads[at].complete = true;
    StatusCode::ACCEPTED.into_response()
}

fn too_large(registry: &Registry, headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    registry.seen().largest_upload.zip(length).is_some_and(|(largest, length)| length > largest)
}

/// An answer within which the connection is lost.
fn broken() -> Response {
    let lost = stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
    Body::from_stream(lost).into_response()
}
