//! A model server that does as it is told.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// How calls are answered.
#[derive(Clone)]
pub enum Reply {
    /// With this status and body.
    Whole(StatusCode, String),
    /// The same, after a while.
    Late(Duration, String),
    /// Chunks with pauses between, then `[DONE]`.
    Chunks(Vec<String>, Duration),
    /// Chunks, then the connection breaks.
    Breaks(Vec<String>),
    /// Nothing, ever.
    Never,
}

#[derive(Clone)]
pub struct Model {
    reply: Arc<Mutex<Reply>>,
    listed: Arc<Mutex<Vec<&'static str>>>,
    pub down: Arc<AtomicBool>,
    pub dropped: Arc<AtomicBool>,
    pub calls: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    pub url: String,
}

impl Model {
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let listed = Arc::new(Mutex::new(vec!["other", "m"]));
        let reply = Arc::new(Mutex::new(reply));
        let model = Self { reply, listed, down: Arc::default(), dropped: Arc::default(), calls: Arc::default(), url };
        let routes = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(call))
            .with_state(model.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        model
    }

    pub fn lists(&self, models: &[&'static str]) {
        *self.listed.lock().expect("not poisoned") = models.to_vec();
    }

    pub fn was_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }
}

async fn models(State(model): State<Model>) -> Response {
    if model.down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let listed = model.listed.lock().expect("not poisoned").clone();
    let data: Vec<Value> = listed.iter().map(|id| json!({"id": id})).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

/// Set when the caller hangs up.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn call(State(model): State<Model>, headers: HeaderMap, body: Bytes) -> Response {
    model.calls.lock().expect("not poisoned").push((headers, body));
    let dropped = Dropped(model.dropped.clone());
    let reply = model.reply.lock().expect("not poisoned").clone();
    match reply {
        Reply::Whole(status, text) => (status, [("content-type", "application/json")], text).into_response(),
        Reply::Late(time, text) => {
            tokio::time::sleep(time).await;
            ([("content-type", "application/json")], text).into_response()
        }
        Reply::Never => {
            std::future::pending::<()>().await;
            drop(dropped);
            StatusCode::OK.into_response()
        }
        Reply::Chunks(chunks, pause) => {
            let chunks = chunks.into_iter().chain(["[DONE]".to_owned()]);
            let body = stream::unfold((chunks, dropped), move |(mut chunks, dropped)| async move {
                let chunk = chunks.next()?;
                tokio::time::sleep(pause).await;
                Some((Ok::<_, Infallible>(format!("data: {chunk}\n\n")), (chunks, dropped)))
            });
            ([("content-type", "text/event-stream; charset=utf-8")], Body::from_stream(body)).into_response()
        }
        Reply::Breaks(chunks) => {
            let pieces = chunks.into_iter().map(|chunk| Ok(format!("data: {chunk}\n\n")));
            let broken = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("out of memory"))
            });
            let body = Body::from_stream(stream::iter(pieces).chain(broken));
            ([("content-type", "text/event-stream")], body).into_response()
        }
    }
}
