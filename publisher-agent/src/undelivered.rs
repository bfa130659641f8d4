//! A result that did not get through: its caller learns why, instead of waiting for what never comes.

use crate::{
    http::{Payload, within},
    json::error_line,
    server::{CallError, Server},
};
use hyper::StatusCode;
use std::time::Duration;
use tracing::{debug, warn};

/// How long the server may take to hear of it.
const SAID_WITHIN: Duration = Duration::from_secs(10);

/// Ends a task whose result was sent, or was not. A result that nobody wants any more is no trouble; for any other, an
/// error small enough to get through is sent once.
pub async fn settle(server: &Server, task_id: &str, sent: Result<(), CallError>) {
    let Err(error) = sent else { return };
    if let Some(StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::GONE) = error.status() {
        debug!("task {task_id}: {error}");
        return;
    }
    warn!("the result of task {task_id} could not be delivered: {error}");
    let line = error_line(&format!("the answer could not be delivered: {}", reason(&error)));
    match within(SAID_WITHIN, server.upload(task_id, Payload::Whole(line))).await {
        Some(Ok(())) => {}
        Some(Err(error)) => debug!("task {task_id}: its caller could not be told either: {error}"),
        None => debug!("task {task_id}: its caller could not be told in time"),
    }
}

fn reason(error: &CallError) -> String {
    match error {
        // What is no error of the server's own, without a code, was said by something on the way to it.
        CallError::Refused { status, body, .. } if body.code.is_empty() => {
            format!("a proxy on the way refused it with {status}")
        }
        CallError::Refused { status, body, .. } => format!("the server refused it with {status}: {}", body.error),
        CallError::Unreachable { reason, .. } => format!("the connection to the server was lost ({reason})"),
        CallError::TooSlow { .. } => "the server did not take it in time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpctl_events::wire::error::ErrorBody;

    #[test]
    fn says_who_refused_it() {
        let refused = |code: &str| CallError::Refused {
            url: "http://h".to_owned(),
            status: StatusCode::PAYLOAD_TOO_LARGE,
            body: ErrorBody { error: "no".to_owned(), code: code.to_owned(), details: Vec::new() },
        };
        assert_eq!(reason(&refused("")), "a proxy on the way refused it with 413 Payload Too Large");
        assert_eq!(reason(&refused("TOO_LARGE")), "the server refused it with 413 Payload Too Large: no");
    }
}
