//! What can go wrong with a request, in words that name the way out.

mod about;
mod next_step;

use super::route::{Route, Subject};
use super::trace::Trace;
use super::whole;
use mcpctl_events::wire::{
    error::{ErrorBody, Problem},
    server::misspoken,
};
use reqwest::{Response, StatusCode, Url, header};
use serde_json::Value;
use std::error::Error as _;

/// Most bytes of a refusal that are read.
const LARGEST: usize = 1 << 20;
/// Longest part of an answer of unknown shape that is shown, in characters.
const EXCERPT: usize = 300;

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection came about.
    #[error("cannot reach the server at {address}: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system says.
        reason: String,
    },
    /// It is not named as it has to be, or its certificate is not trusted.
    #[error("cannot talk to the server at {address}: {reason}")]
    Misspoken {
        /// Host and port.
        address: String,
        /// What has to be otherwise.
        reason: &'static str,
    },
    /// The connection was there, then it was not.
    #[error("the connection to {address} broke off: {reason}")]
    Broken {
        /// Host and port.
        address: String,
        /// What happened to it.
        reason: String,
    },
    /// The server says no.
    #[error("{}", .0.body.error)]
    Refused(Box<Refusal>),
    /// The answer is not what this version of the program expects.
    #[error("the server's answer makes no sense: {reason}")]
    Malformed {
        /// Where it stopped making sense.
        reason: String,
    },
    /// A stream said that the reply failed.
    #[error("{error}")]
    Stream {
        /// The server's own words.
        error: String,
        /// Resource that the reply was to come from.
        subject: Option<Subject>,
    },
}

/// An answer with an error status.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// The server's own words.
    pub body: ErrorBody,
    /// Resource that the request was about.
    pub subject: Option<Subject>,
    /// The server's `Retry-After`.
    pub retry_after: Option<String>,
    /// It was the model server behind the registry that said no.
    pub by_model: bool,
}

impl Failure {
    /// Whether there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND)
    }

    /// What is not there, if that is what the registry says.
    pub fn missing(&self) -> Option<Subject> {
        match self {
            Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND && !refusal.by_model => {
                about::missing(&refusal.body.error)
            }
            _ => None,
        }
    }

    /// Turns a transport error around: what failed first comes last in its chain.
    pub fn transport(server: &Url, error: &reqwest::Error) -> Self {
        let address = host_and_port(server);
        let reason = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            let deepest = std::iter::successors(error.source(), |&e| e.source()).last();
            deepest.map_or_else(|| error.to_string(), ToString::to_string)
        };
        if let Some(reason) = misspoken(&reason, server.scheme() == "https") {
            return Failure::Misspoken { address, reason };
        }
        if error.is_connect() || error.is_builder() {
            Failure::Unreachable { address, reason }
        } else {
            Failure::Broken { address, reason }
        }
    }

    /// A connection that is of no use any more.
    pub fn broken(server: &Url, reason: String) -> Self {
        Failure::Broken { address: host_and_port(server), reason }
    }

    /// Every single problem that the server found.
    pub fn details(&self) -> impl Iterator<Item = String> {
        let details: &[Problem] = if let Failure::Refused(refusal) = self { &refusal.body.details } else { &[] };
        let text =
            |d: &Problem| if d.pointer.is_empty() { d.reason.clone() } else { format!("{}: {}", d.pointer, d.reason) };
        // The first one is the message already, which may go on with how many more there are.
        let is_said = |text: &String| {
            let said = |refusal: &Refusal| {
                refusal.body.error.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with(" (and "))
            };
            matches!(self, Failure::Refused(refusal) if said(refusal))
        };
        details.iter().map(text).filter(move |text| !is_said(text))
    }

    /// What the user can do about it, best first.
    pub fn next_steps(&self) -> Vec<String> {
        next_step::after(self)
    }
}

/// The same failure, where the server's pointers lead into something that the user did not write: `name` says what the
/// user calls what a pointer leads to.
pub fn called(mut error: anyhow::Error, name: impl Fn(&str) -> Option<String>) -> anyhow::Error {
    if let Some(Failure::Refused(refusal)) = error.downcast_mut::<Failure>() {
        let ErrorBody { error: sentence, details, .. } = &mut refusal.body;
        for problem in details {
            let Some(called) = name(&problem.pointer) else { continue };
            if let Some(rest) = sentence.strip_prefix(&format!("{}: ", problem.pointer)) {
                *sentence = format!("{called}: {rest}");
            }
            problem.pointer = called;
        }
    }
    error
}

/// Reads a refusal off its response.
pub async fn refused(response: Response, route: &Route, trace: Trace) -> Failure {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let retry_after = header(header::RETRY_AFTER);
    let location = header(header::LOCATION);
    let is_page = header(header::CONTENT_TYPE).is_some_and(|content| content.starts_with("text/html"));
    let text = whole(response, LARGEST).await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    trace.body(&text);
    let body = match location.filter(|_| status.is_redirection()) {
        Some(to) => plain(format!("the server sends requests on to {to}")),
        None if is_page => plain(format!(
            "a web page answers {status}, and not mcpd: a proxy that does not reach it, or an address that is not its own"
        )),
        None => body(status, &text),
    };
    // What the registry says of itself has a code; a page for people comes from something on the way.
    let by_model = route.is_infer() && body.code.is_empty() && !is_page;
    let body = if by_model { said_by_model(status, &body) } else { body };
    Failure::Refused(Box::new(Refusal { status, body, subject: route.subject(), retry_after, by_model }))
}

/// The sentence in an error of any shape: the server's own, OpenAI's, or a bare string.
pub fn sentence(error: &Value) -> Option<&str> {
    error.as_str().or_else(|| error.get("message")?.as_str())
}

fn said_by_model(status: StatusCode, body: &ErrorBody) -> ErrorBody {
    let said = body.error.strip_prefix(&format!("the server answered {status}"));
    let said = said.map_or(body.error.as_str(), |rest| rest.trim_start_matches(": "));
    let colon = if said.is_empty() { "" } else { ": " };
    plain(format!("the model server answered {status}{colon}{said}"))
}

/// The registry's words for people: all problems are below them.
pub fn reworded(body: ErrorBody) -> ErrorBody {
    ErrorBody { error: body.error.replace(" more, see details)", " more)"), ..body }
}

fn body(status: StatusCode, text: &str) -> ErrorBody {
    if let Ok(body) = serde_json::from_str::<ErrorBody>(text) {
        return reworded(body);
    }
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(sentence) = value.get("error").and_then(sentence) {
        return plain(sentence.to_owned());
    }
    let excerpt: String = text.trim().chars().take(EXCERPT).collect();
    let colon = if excerpt.is_empty() { "" } else { ": " };
    plain(format!("the server answered {status}{colon}{excerpt}"))
}

fn plain(error: String) -> ErrorBody {
    ErrorBody { error, code: String::new(), details: Vec::new() }
}

fn host_and_port(server: &Url) -> String {
    let host = server.host_str().unwrap_or_default();
    server.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_is_understood() {
        let status = StatusCode::BAD_GATEWAY;
        assert_eq!(
            body(status, r#"{"error":"no","code":"X","details":[{"pointer":"/a","reason":"b"}]}"#).details.len(),
            1
        );
        assert_eq!(body(status, r#"{"error":{"message":"model says no","type":"t"}}"#).error, "model says no");
        assert_eq!(body(status, r#"{"error":"bare"}"#).error, "bare");
        assert_eq!(body(status, "<html>").error, "the server answered 502 Bad Gateway: <html>");
        assert_eq!(body(status, "").error, "the server answered 502 Bad Gateway");
    }

    #[test]
    fn a_model_servers_words_are_its_own() {
        let status = StatusCode::BAD_REQUEST;
        let said = |text: &str| said_by_model(status, &body(status, text)).error;
        assert_eq!(said(r#"{"error":{"message":"no db"}}"#), "the model server answered 400 Bad Request: no db");
        assert_eq!(said("<html>"), "the model server answered 400 Bad Request: <html>");
        assert_eq!(said(""), "the model server answered 400 Bad Request");
    }
}
