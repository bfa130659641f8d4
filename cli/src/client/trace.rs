//! `--verbose`: what goes over the wire, on stderr, without what is known to be secret.

use crate::output::document::Document;
use crate::output::{json, tell};
use reqwest::header::HeaderMap;
use reqwest::{Request, Response};
use std::time::Duration;

/// Longest part of a body that is shown, in characters.
const LONGEST: usize = 4000;
/// Members of bodies that hold secrets, in lower case.
const SECRET: [&str; 6] = ["token", "apikey", "authorization", "password", "secret", "value"];
/// Stands for one.
const MASK: &str = "***";
/// How the registry's own tokens begin.
const TOKEN: &str = "mcp_";

/// Whether the exchange is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trace {
    /// It is.
    pub is_on: bool,
}

impl Trace {
    /// Shows what is asked.
    pub fn request(self, request: &Request) {
        if !self.is_on {
            return;
        }
        tell(&format!("> {} {}", request.method(), without_tokens(request.url().as_str())));
        headers('>', request.headers());
        if let Some(body) = request.body().and_then(|body| body.as_bytes()).filter(|body| !body.is_empty()) {
            tell(&format!("> {}", masked(&String::from_utf8_lossy(body))));
        }
    }

    /// Shows how it is answered.
    pub fn response(self, response: &Response, took: Duration) {
        if self.is_on {
            tell(&format!("< {} after {} ms", response.status(), took.as_millis()));
            headers('<', response.headers());
        }
    }

    /// Shows the answer.
    pub fn body(self, text: &str) {
        if self.is_on && !text.is_empty() {
            tell(&format!("< {}", masked(text)));
        }
    }
}

fn headers(direction: char, headers: &HeaderMap) {
    for (name, value) in headers {
        let value = if value.is_sensitive() || name == reqwest::header::SET_COOKIE {
            MASK.into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        tell(&format!("{direction} {name}: {value}"));
    }
}

/// A body with its secrets taken out.
fn masked(text: &str) -> String {
    let text = match Document::parse(text) {
        Ok(document) => json::compact(&without_secrets(document)),
        Err(_) => text.to_owned(),
    };
    let shown = without_tokens(&text);
    match shown.char_indices().nth(LONGEST) {
        None => shown,
        Some((end, _)) => format!("{}… ({} bytes)", &shown[..end], text.len()),
    }
}

fn without_secrets(document: Document) -> Document {
    match document {
        Document::Map(members) => Document::Map(
            members
                .into_iter()
                .map(|(key, value)| {
                    let is_secret = SECRET.contains(&key.to_ascii_lowercase().as_str());
                    let value = match value {
                        Document::Text(_) if is_secret => Document::text(MASK),
                        Document::Map(variables) if key == "env" => {
                            Document::Map(variables.into_iter().map(|(name, _)| (name, Document::text(MASK))).collect())
                        }
                        Document::List(args) if key == "args" => {
                            Document::List(args.into_iter().map(argument).collect())
                        }
                        other => without_secrets(other),
                    };
                    (key, value)
                })
                .collect(),
        ),
        Document::List(items) => Document::List(items.into_iter().map(without_secrets).collect()),
        Document::Text(text) => Document::Text(without_login(text)),
        token @ Document::Token(_) => token,
    }
}

/// An argument of a program: flags are no secret, what they are given may be.
fn argument(argument: Document) -> Document {
    match argument {
        Document::Text(text) => Document::text(match text.split_once('=') {
            Some((flag, _)) if flag.starts_with('-') => format!("{flag}={MASK}"),
            None if text.starts_with('-') => text,
            _ => MASK.to_owned(),
        }),
        other => without_secrets(other),
    }
}

/// A URL without what may let somebody in: user, password and query.
fn without_login(text: String) -> String {
    let Ok(mut url) = reqwest::Url::parse(&text) else { return text };
    if !["http", "https"].contains(&url.scheme()) || url.username().is_empty() && url.query().is_none() {
        return text;
    }
    if !url.username().is_empty() {
        let _ = url.set_username(MASK).and_then(|()| url.set_password(None));
    }
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    url.into()
}

/// Tokens that stand anywhere else.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split(TOKEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown += TOKEN;
        shown += MASK;
        shown += part.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_shown() {
        assert_eq!(
            masked(r#"{"name":"ci","token":"mcp_0123abc","nested":[{"apiKey":"k","apiKeyRef":{"env":"KEY"}}]}"#),
            r#"{"name":"ci","token":"***","nested":[{"apiKey":"***","apiKeyRef":{"env":"KEY"}}]}"#
        );
        assert_eq!(
            masked(
                r#"{"url":"http://u:pw@h/x?key=k","env":{"GITHUB_PAT":"p"},"apiKeyRef":{"env":"KEY"},"model":"a:b"}"#
            ),
            r#"{"url":"http://***@h/x?***","env":{"GITHUB_PAT":"***"},"apiKeyRef":{"env":"KEY"},"model":"a:b"}"#
        );
        assert_eq!(
            masked(r#"{"args":["-y","server","--key=k","--key","k"]}"#),
            r#"{"args":["-y","***","--key=***","--key","***"]}"#
        );
        assert_eq!(masked("a mcp_0123abc, and mcp_f"), "a mcp_***, and mcp_***");
        assert!(masked(&"x".repeat(5000)).ends_with("… (5000 bytes)"));
    }
}
