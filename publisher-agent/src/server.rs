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
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const API: &str = "/api/v1/llms/";
/// What we can do, for [`wire::FEATURES_HEADER`].
const FEATURES: &str = "accept, ack";
/// How long a short call may take; a write waits up to 5 s for the read tables.
const CALL_WITHIN: Duration = Duration::from_secs(20);
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

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
    /// Until when uploads go in batches, because something in between buffers them.
    batched_until: Mutex<Option<Instant>>,
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
            Self::Unreachable { .. } => None,
        }
    }
}

impl Server {
    /// A server to talk to.
    ///
    /// # Errors
    /// When the token or the session id cannot stand in a header.
    pub fn new(endpoint: Endpoint, session: String, client: Client) -> Result<Self, String> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", endpoint.token))
            .map_err(|_| "no server: the token has characters that a header cannot hold".to_owned())?;
        bearer.set_sensitive(true);
        let session_header = HeaderValue::from_str(&session).map_err(|_| "the session id is no header".to_owned())?;
        Ok(Self { endpoint, session, client, bearer, session_header, batched_until: Mutex::default() })
    }

    /// Declares what this session publishes.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn register(&self, declaration: &publish::Register) -> Result<publish::Registered, CallError> {
        self.call("_provider-register", declaration).await
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
    /// When there is no answer, or it is no.
    pub async fn open_stream(&self) -> Result<Incoming, CallError> {
        let request = self.get("_provider-stream");
        let answer = self.patiently(CALL_WITHIN, self.client.send(request)).await?;
        self.accepted(answer).await.map(Response::into_body)
    }

    /// Waits for tasks, for at most so long.
    ///
    /// # Errors
    /// When there is no answer, or it is no.
    pub async fn poll_tasks(&self, wait: Duration) -> Result<Bytes, CallError> {
        let request = self.get(&format!("_provider-tasks?waitSeconds={}", wait.as_secs()));
        let answer = self.patiently(wait + CALL_WITHIN, self.client.send(request)).await?;
        let answer = self.accepted(answer).await?;
        read_all(answer.into_body(), LARGEST_ANSWER).await.map_err(|error| self.unreachable(error.to_string()))
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

    /// Whether uploads go in batches for now.
    pub fn wants_batches(&self) -> bool {
        let until = *self.batched_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Uploads go in batches for so long; true when they did not before.
    pub fn batch_for(&self, time: Duration) -> bool {
        let was = self.wants_batches();
        *self.batched_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
        !was
    }

    async fn call<T: DeserializeOwned>(&self, route: &str, body: &impl Serialize) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unreachable(error.to_string()))?;
        let mut request = self.request(Method::POST, route, Payload::Whole(body.into()));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.patiently(CALL_WITHIN, self.client.send(request)).await?;
        let answer = self.accepted(answer).await?;
        let body = within(CALL_WITHIN, read_all(answer.into_body(), LARGEST_ANSWER)).await;
        let body = body.ok_or_else(|| self.too_slow())?.map_err(|error| self.unreachable(error.to_string()))?;
        serde_json::from_slice(&body).map_err(|error| self.unreachable(format!("its answer makes no sense: {error}")))
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
        self.unreachable("no answer in time".to_owned())
    }

    fn unreachable(&self, reason: String) -> CallError {
        CallError::Unreachable { url: self.endpoint.url.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_spelled_as_the_server_knows_them() {
        assert_eq!(FEATURES, format!("{}, {}", wire::FEATURE_ACCEPT, wire::FEATURE_ACK));
    }
}
