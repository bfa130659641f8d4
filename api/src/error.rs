//! The one way in which errors become HTTP answers.

use crate::{limits::Limit, writer::WriteError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    log::ReadError,
    rejection::Rejection,
    replay::ReplayError,
    wire::error::{ErrorBody, Problem},
};
use mcpctl_projector::store::StoreError;
use std::borrow::Cow;

/// An error for the caller: status, code, one clear sentence, and every problem found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: Cow<'static, str>,
    /// One clear sentence.
    pub message: String,
    /// Where and why, for a request that breaks rules.
    pub details: Vec<Problem>,
    /// Seconds until it may work.
    pub retry_after: Option<u64>,
    /// The limit that it met.
    pub limit: Option<Limit>,
}

impl ApiError {
    /// An error without details.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: Vec::new(), retry_after: None, limit: None }
    }

    /// 400 with one problem.
    pub fn invalid(pointer: &str, reason: impl Into<String>) -> Self {
        Self::problems(vec![Problem { pointer: pointer.to_owned(), reason: reason.into() }], false)
    }

    /// 400 with every problem found; the sentence is the first reason, with its pointer unless it `says_enough` alone.
    pub fn problems(details: Vec<Problem>, says_enough: bool) -> Self {
        let sentence = |first: &Problem| if says_enough { first.reason.clone() } else { sentence(first) };
        let message = match details.split_first() {
            Some((first, [])) => sentence(first),
            Some((first, rest)) => format!("{} (and {} more, see details)", sentence(first), rest.len()),
            None => "the request is invalid".to_owned(),
        };
        Self { details, ..Self::new(StatusCode::BAD_REQUEST, "INVALID", message) }
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 503 that may be gone in a moment.
    pub fn unavailable(code: impl Into<Cow<'static, str>>, message: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }

    /// 500: a fault of ours, logged here with its reason, which the caller does not get.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        tracing::error!(error = %reason, "a request failed for an inner reason");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "the server failed; its log says why")
    }

    /// 500: what is stored is not what was written, and asking again is no use.
    pub fn damaged(message: impl Into<String>) -> Self {
        let message = message.into();
        tracing::error!(error = message, "a request met damage");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "DAMAGED", message)
    }

    /// 500: an event that the read tables list is not on the log where they have it.
    pub fn event_missing(sequence: u64) -> Self {
        Self::damaged(format!(
            "event {sequence} is not on the log where the read tables have it: `mcpctl audit verify` says which of the \
             two is damaged"
        ))
    }

    /// The JSON body.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.message.clone(), code: self.code.clone().into_owned(), details: self.details.clone() }
    }
}

fn sentence(problem: &Problem) -> String {
    if problem.pointer.is_empty() { problem.reason.clone() } else { format!("{}: {}", problem.pointer, problem.reason) }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Where another API is spoken, it is said once more in its words.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull { .. } => Self::unavailable("DISK_FULL", error.to_string(), 30),
            error if error.is_retryable() => {
                tracing::warn!(%error, "a request met a database that cannot be used");
                Self::unavailable("DATABASE_UNAVAILABLE", "the database cannot be used at the moment; try again", 5)
            }
            other => Self::internal(other),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        if error.retryable { Self::unavailable("LOG_UNREADABLE", message, 5) } else { Self::damaged(message) }
    }
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Read(error) => error.into(),
            ReplayError::Stopped(stopped) => Self::damaged(stopped.to_string()),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let message = error.to_string();
        match error {
            WriteError::Rejected(rejection) => rejection.into(),
            WriteError::KeyOfAnotherRequest => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", message)
            }
            WriteError::TooManyKeys => Self {
                retry_after: Some(3600),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_IDEMPOTENCY_KEYS", message)
            },
            WriteError::OutcomeUnknown => Self::unavailable("OUTCOME_UNKNOWN", message, 1),
            WriteError::NoWriter(_) => Self::unavailable("NO_WRITER", message, 1),
            WriteError::Overloaded => {
                Self { retry_after: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "OVERLOADED", message) }
            }
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let (status, code) = refusal(&rejection);
        let limit = match &rejection {
            Rejection::TooManyRows { flag, .. } => Limit::of_flag(flag),
            _ => None,
        };
        Self { details: details(&rejection), limit, ..Self::new(status, code, rejection.to_string()) }
    }
}

fn refusal(rejection: &Rejection) -> (StatusCode, &'static str) {
    match rejection {
        Rejection::SessionNotFound(_) => (StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"),
        Rejection::SessionOfAnotherUser(_) => (StatusCode::FORBIDDEN, "SESSION_OF_ANOTHER_USER"),
        Rejection::PublicRow { .. } => (StatusCode::CONFLICT, "PUBLIC_ROW"),
        Rejection::ActiveElsewhere { .. } => (StatusCode::CONFLICT, "ACTIVE_ELSEWHERE"),
        Rejection::OwnedByAnother { .. } => (StatusCode::CONFLICT, "OWNED_BY_ANOTHER"),
        Rejection::LlmNotFound(_) => (StatusCode::NOT_FOUND, "LLM_NOT_FOUND"),
        Rejection::AgentNotFound(_) => (StatusCode::NOT_FOUND, "AGENT_NOT_FOUND"),
        Rejection::DocumentNotFound { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Rejection::PersonalityOfAnother { .. } => (StatusCode::CONFLICT, "PERSONALITY_OF_ANOTHER"),
        Rejection::ProjectNotFound(_) => (StatusCode::NOT_FOUND, "PROJECT_NOT_FOUND"),
        Rejection::UserNotFound(_) => (StatusCode::NOT_FOUND, "USER_NOT_FOUND"),
        Rejection::GrantNotFound { .. } => (StatusCode::NOT_FOUND, "GRANT_NOT_FOUND"),
        Rejection::TooManyGrants { .. } => (StatusCode::CONFLICT, "TOO_MANY_GRANTS"),
        Rejection::TooManyRows { .. } => (StatusCode::FORBIDDEN, "TOO_MANY_ROWS"),
        Rejection::NotYours { .. } | Rejection::ForEditors { .. } => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Rejection::LastAdmin(_) => (StatusCode::CONFLICT, "LAST_ADMIN"),
        Rejection::NameTaken { .. } => (StatusCode::CONFLICT, "NAME_TAKEN"),
        Rejection::VersionConflict { .. } => (StatusCode::CONFLICT, "VERSION_CONFLICT"),
        Rejection::DefinedByPublisher { .. } => (StatusCode::CONFLICT, "DEFINED_BY_PUBLISHER"),
        Rejection::PinnedByPublicAgents { .. } => (StatusCode::CONFLICT, "PINNED"),
        Rejection::RecordTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RECORD_TOO_LARGE"),
        Rejection::Entries(entries) => {
            entries.first().map_or((StatusCode::CONFLICT, "CONFLICT"), |entry| refusal(&entry.reason))
        }
    }
}

fn details(rejection: &Rejection) -> Vec<Problem> {
    match rejection {
        Rejection::PinnedByPublicAgents { agents, .. } => agents
            .iter()
            .map(|agent| Problem { pointer: format!("agent/{agent}"), reason: "is pinned to it".to_owned() })
            .collect(),
        Rejection::Entries(entries) => entries
            .iter()
            .map(|entry| Problem { pointer: entry.pointer.clone(), reason: entry.reason.to_string() })
            .collect(),
        _ => Vec::new(),
    }
}
