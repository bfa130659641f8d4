//! Errors as OpenAI's clients expect them.

use crate::error::ApiError;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;

/// An error in OpenAI's shape.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OpenAiError {
    error: Inner,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Inner {
    /// One clear sentence.
    message: String,
    /// `invalid_request_error`, `rate_limit_error` or `server_error`.
    r#type: &'static str,
    /// The field at fault.
    param: Option<String>,
    /// A stable word, such as `model_not_found`.
    code: String,
}

impl From<&ApiError> for OpenAiError {
    fn from(error: &ApiError) -> Self {
        let param = error.details.first().map(|problem| problem.pointer.trim_start_matches('/').replace('/', "."));
        let (message, param) = (error.message.clone(), param.filter(|param| !param.is_empty()));
        Self { error: Inner { message, r#type: kind(error.status), param, code: code(error) } }
    }
}

fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

/// Where OpenAI has a word of its own, that; else ours, in its spelling.
fn code(error: &ApiError) -> String {
    match &*error.code {
        "UNAUTHORIZED" => "invalid_api_key".to_owned(),
        code => code.to_ascii_lowercase(),
    }
}

/// The answer that an error is, without its headers.
pub fn response(error: &ApiError) -> Response {
    (error.status, Json(OpenAiError::from(error))).into_response()
}

/// The event that ends a stream that failed: no `[DONE]` follows.
pub fn event(error: &ApiError) -> Bytes {
    let json = serde_json::to_string(&OpenAiError::from(error)).unwrap_or_default();
    format!("data: {json}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(error: &ApiError) -> String {
        serde_json::to_string(&OpenAiError::from(error)).unwrap()
    }

    #[test]
    fn errors_have_the_words_that_clients_know() {
        let busy = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", "later");
        assert_eq!(
            shown(&busy),
            r#"{"error":{"message":"later","type":"rate_limit_error","param":null,"code":"busy"}}"#
        );
        let field = ApiError::invalid("/messages/0", "is an object");
        assert!(shown(&field).contains(r#""type":"invalid_request_error","param":"messages.0","code":"invalid""#));
        let stranger = ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "who?");
        assert!(shown(&stranger).contains(r#""code":"invalid_api_key""#));
        assert!(shown(&ApiError::unavailable("OFFLINE", "gone", 1)).contains(r#""type":"server_error""#));
    }
}
