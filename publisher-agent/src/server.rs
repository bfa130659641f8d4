//! Requests to the registry's server.

use crate::{
    http::{Client, Failure, Payload, read_all, within},
    settings::Endpoint,
};
use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use mcpctl_events::wire::{self, error::ErrorBody, publish};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const API: &str = "/api/v1/llms/";
/// What we can do, for [`wire::FEATURES_HEADER`].
const FEATURES: &str = "accept, ack";
/// How long a short call may take; a write waits up to 5 s for the read tables.
const CALL_WITHIN: Duration = Duration::from_secs(20);
/// How much longer than asked for a poll may take; a server takes us for gone when it has no poll for that long.
const POLL_LATE_BY: Duration = Duration::from_secs(10);
/// How long it counts that an upload passed.
const LATELY: Duration = Duration::from_mins(1);
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// The most bytes of a frame; a little more than a server sends, which counts them in its own way.
pub const LARGEST_FRAME: usize = publish::MAX_FRAME + (1 << 20);
/// The most bytes that a poll may bring: a frame, and what a server puts beside it.
const LARGEST_POLL: usize = LARGEST_FRAME + LARGEST_ANSWER;

/// One server, as one session sees it.
#[derive(Debug)]
pub struct Server {
    /// Its address and our token.
    pub endpoint: Endpoint,
    /// Our session.
    pub session: String,
    client: Client,
    bearer: HeaderValue,
    session_header: HeaderValue,
    batching: Batching,
    /// When an upload was last seen to arrive while it was going on.
    passed: Mutex<Option<Instant>>,
}

/// The server that uploads go to in batches, because something in between holds them back. It outlives registrations:
/// finding out anew costs a caller its stream each time.
#[derive(Debug, Clone, Default)]
pub struct Batching {
    url: Arc<Mutex<Option<String>>>,
}

/// A request that is about no session.
///
/// # Errors
/// The token cannot stand in a header, or the URL is none.
pub fn ask(endpoint: &Endpoint, method: Method, path: &str, payload: Payload) -> Result<Request<Payload>, String> {
    let mut request = Request::new(payload);
    *request.method_mut() = method;
    *request.uri_mut() = format!("{}{path}", endpoint.url).parse().map_err(|_| "the URL of the server is none")?;
    request.headers_mut().insert(AUTHORIZATION, bearer(endpoint)?);
    Ok(request)
}

fn bearer(endpoint: &Endpoint) -> Result<HeaderValue, String> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", endpoint.token))
        .map_err(|_| "no server: the token has characters that a header cannot hold".to_owned())?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

/// A call that did not do what it was meant to.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There was no answer.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// There was no answer in time.
    #[error("{url} cannot be reached: no answer in time")]
    TooSlow {
        /// The server.
        url: String,
    },
    /// The answer was no.
    #[error("{url} answered {}: {}", .status.as_u16(), .body.error)]
    Refused {
        /// The server.
        url: String,
        /// Its answer's status.
        status: StatusCode,
        /// Its answer's body.
        body: ErrorBody,
    },
}

impl CallError {
    /// The status of an answer that was no.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unreachable { .. } | Self::TooSlow { .. } => None,
        }
    }

    /// The code of an answer that was no; empty where it was not the server's, but of something on the way to it.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { body, .. } => &body.code,
            Self::Unreachable { .. } | Self::TooSlow { .. } => "",
        }
    }

    /// Whether the server does not know the session as ours. A 404 without a code is not the server's: something on the
    /// way knows nothing of either.
    pub fn is_unknown_session(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND) && !self.code().is_empty() || self.is_session_of_another_user()
    }

    /// Whether the session is somebody else's: ours was forgotten, and its id taken, or the token is of another user.
    pub fn is_session_of_another_user(&self) -> bool {
        self.code() == "SESSION_OF_ANOTHER_USER"
    }
}

impl Server {
    /// A server to talk to.
    ///
    /// # Errors
    /// When the token or the session id cannot stand in a header.
    pub fn new(endpoint: Endpoint, session: String, client: Client, batching: Batching) -> Result<Self, String> {
        let bearer = bearer(&endpoint)?;
        let session_header = HeaderValue::from_str(&session).map_err(|_| "the session id is no header".to_owned())?;
        Ok(Self { endpoint, session, client, bearer, session_header, batching, passed: Mutex::default() })
    }

    /// Declares what this session publishes.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn register(&self, declaration: &publish::Register) -> Result<publish::Registered, CallError> {
        self.call("_provider-register", declaration).await
    }

    /// Asks what would become of a declaration.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn would_register(&self, declaration: &publish::Register) -> Result<publish::Registered, CallError> {
        self.call("_provider-register/dry-run", declaration).await
    }

    /// Renews the session's lease.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn heartbeat(&self) -> Result<publish::HeartbeatSeen, CallError> {
        self.call("_provider-heartbeat", &publish::Heartbeat { provider_session_id: self.session.clone() }).await
    }

    /// Opens the stream of tasks.
    ///
    /// # Errors
    /// When there is no answer in that time, or it is no.
    pub async fn open_stream(&self, within: Duration) -> Result<Incoming, CallError> {
        let request = self.get("_provider-stream");
        let answer = self.patiently(within, self.client.send(request)).await?;
        self.accepted(answer).await.map(Response::into_body)
    }

    /// Waits for tasks, for at most so long.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn poll_tasks(&self, wait: Duration) -> Result<Bytes, CallError> {
        let request = self.get(&format!("_provider-tasks?waitSeconds={}", wait.as_secs()));
        let answer = self.patiently(wait + POLL_LATE_BY, self.client.send(request)).await?;
        let answer = self.accepted(answer).await?;
        self.body(answer, LARGEST_POLL).await
    }

    /// Sends results of a task. As slow as the caller may be, so without a time limit of its own.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn upload(&self, task_id: &str, payload: Payload) -> Result<(), CallError> {
        let mut request = self.request(Method::POST, &format!("_provider-task/{task_id}/result"), payload);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(wire::NDJSON));
        let answer = self.client.send(request).await.map_err(|error| self.unreachable(error.reason))?;
        let answer = self.accepted(answer).await?;
        // Read to its end, so that the connection can be used again.
        read_all(answer.into_body(), LARGEST_ANSWER).await.map_err(|error| self.unreachable(error.to_string()))?;
        Ok(())
    }

    /// Whether uploads go in batches.
    pub fn wants_batches(&self) -> bool {
        self.batched().as_ref() == Some(&self.endpoint.url)
    }

    /// Uploads go in batches from now on; true when they did not before.
    pub fn batch(&self) -> bool {
        self.batched().replace(self.endpoint.url.clone()).as_ref() != Some(&self.endpoint.url)
    }

    /// An upload arrived while it was going on.
    pub fn passed(&self) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether one did lately.
    pub fn passed_lately(&self) -> bool {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < LATELY)
    }

    fn batched(&self) -> MutexGuard<'_, Option<String>> {
        self.batching.url.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unreachable(error.to_string()))?;
        let mut request = self.request(Method::POST, route, Payload::Whole(body.into()));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.patiently(CALL_WITHIN, self.client.send(request)).await?;
        let answer = self.accepted(answer).await?;
        let body = self.body(answer, LARGEST_ANSWER).await?;
        serde_json::from_slice(&body).map_err(|error| self.unreachable(format!("its answer makes no sense: {error}")))
    }

    async fn body(&self, answer: Response<Incoming>, at_most: usize) -> Result<Bytes, CallError> {
        let body = within(CALL_WITHIN, read_all(answer.into_body(), at_most)).await;
        body.ok_or_else(|| self.too_slow())?.map_err(|error| self.unreachable(error.to_string()))
    }

    fn get(&self, route: &str) -> Request<Payload> {
        let mut request = self.request(Method::GET, route, Payload::empty());
        let accept = HeaderValue::from_static("text/event-stream, application/json");
        request.headers_mut().insert(ACCEPT, accept);
        request.headers_mut().insert(wire::FEATURES_HEADER, HeaderValue::from_static(FEATURES));
        request
    }

    fn request(&self, method: Method, route: &str, payload: Payload) -> Request<Payload> {
        let mut request = Request::new(payload);
        *request.method_mut() = method;
        // The base was checked and routes are ours or checked task ids: a URL that fails to parse is answered as `/`.
        *request.uri_mut() = format!("{}{API}{route}", self.endpoint.url).parse().unwrap_or_default();
        request.headers_mut().insert(AUTHORIZATION, self.bearer.clone());
        request.headers_mut().insert(wire::SESSION_HEADER, self.session_header.clone());
        request
    }

    async fn patiently<T>(
        &self,
        time: Duration,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, CallError> {
        let answer = within(time, call).await.ok_or_else(|| self.too_slow())?;
        answer.map_err(|error| self.unreachable(error.reason))
    }

    async fn accepted(&self, answer: Response<Incoming>) -> Result<Response<Incoming>, CallError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = within(CALL_WITHIN, read_all(answer.into_body(), LARGEST_ANSWER)).await;
        let bytes = bytes.and_then(Result::ok).unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| ErrorBody {
            error: status.canonical_reason().unwrap_or("no reason given").to_owned(),
            code: String::new(),
            details: Vec::new(),
        });
        Err(CallError::Refused { url: self.endpoint.url.clone(), status, body })
    }

    fn too_slow(&self) -> CallError {
        CallError::TooSlow { url: self.endpoint.url.clone() }
    }

    fn unreachable(&self, reason: String) -> CallError {
        CallError::Unreachable { url: self.endpoint.url.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_util::task::TaskTracker;

    #[test]
    fn batches_are_kept_to_until_the_server_is_another() {
        let batching = Batching::default();
        let client = Client::new(CALL_WITHIN, &TaskTracker::new());
        let server = |url: &str| {
            let endpoint = Endpoint { url: url.to_owned(), token: String::new() };
            Server::new(endpoint, "s".to_owned(), client.clone(), batching.clone()).expect("a server")
        };
        let first = server("http://a");
        assert!(!first.wants_batches() && first.batch() && !first.batch());
        assert!(server("http://a").wants_batches(), "after another registration too");
        assert!(!server("http://b").wants_batches());
        assert!(server("http://b").batch() && !first.wants_batches());
    }

    #[test]
    fn features_are_spelled_as_the_server_knows_them() {
        assert_eq!(FEATURES, format!("{}, {}", wire::FEATURE_ACCEPT, wire::FEATURE_ACK));
    }

    #[tokio::test]
    async fn an_answer_to_a_poll_that_never_ends_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = Client::new(CALL_WITHIN, &TaskTracker::new());
        let endpoint = Endpoint { url, token: String::new() };
        let server = Server::new(endpoint, "s".to_owned(), client, Batching::default()).expect("a server");
        let answer = async {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let asked = connection.read(&mut [0; 4096]).await.expect("a request");
            assert!(asked > 0);
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").await.expect("written");
            // From here on, time only passes where nothing else happens.
            tokio::time::pause();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            polled = within(Duration::from_hours(1), server.poll_tasks(CALL_WITHIN)) => {
                assert!(matches!(polled, Some(Err(CallError::TooSlow { .. }))), "{polled:?}");
            }
            () = answer => {}
        }
    }
}
