//! `--verbose`: what goes over the wire, on stderr, without what is known to be secret.

use crate::output::document::Document;
use crate::output::{json, tell};
use mcpctl_events::wire::secrets::is_suspect;
use reqwest::header::HeaderMap;
use reqwest::{Request, Response};
use std::time::Duration;

/// Longest part of a body that is shown, in characters.
const LONGEST: usize = 4000;
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
                    // Besides what the registry itself takes for a secret: the `value` of a variable.
                    let is_secret =
                        is_suspect(&key) || ["value", "pass", "cookie"].contains(&key.to_ascii_lowercase().as_str());
                    let value = match value {
                        Document::Text(_) | Document::List(_) if is_secret => Document::text(MASK),
                        Document::Token(token) if is_secret && token != "null" => Document::text(MASK),
                        Document::Map(variables) if ["env", "headers"].contains(&&*key) => {
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

/// An argument of a program: the names of flags are no secret, all else may be.
fn argument(argument: Document) -> Document {
    let Document::Text(text) = argument else { return without_secrets(argument) };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    // A short one may have its value right behind it.
    let flag = match text.strip_prefix("--") {
        Some(long) => &text[..2 + long.find(|c| !is_name(c)).unwrap_or(long.len())],
        None if text.starts_with('-') && text.chars().count() == 2 => &text,
        None => "",
    };
    let rest = &text[flag.len()..];
    let mask = match rest.chars().next() {
        None => String::new(),
        Some('=') => format!("={MASK}"),
        Some(_) => MASK.to_owned(),
    };
    Document::text(format!("{flag}{mask}"))
}

/// A text without what of a URL may let somebody in: user, password and query.
fn without_login(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let is_part = |c: char| !(c == '/' || c == '?' || c == '#' || c.is_whitespace());
    let authority = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map(|(_, host)| host);
    let behind = &rest[authority.len()..];
    let query = behind.find('?').filter(|at| !behind[..*at].contains(char::is_whitespace));
    if host.is_none() && query.is_none() {
        return text;
    }
    let login = host.map_or(String::new(), |_| format!("{MASK}@"));
    let behind = query.map_or_else(|| behind.to_owned(), |at| format!("{}?{MASK}", &behind[..at]));
    format!("{scheme}://{login}{}{behind}", host.unwrap_or(authority))
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
            masked(
                r#"{"args":["-y","server","--key=k","--key","k","-pk","--key:k","-H X: k"],"url":"http://:pw@h/v1"}"#
            ),
            r#"{"args":["-y","***","--key=***","--key","***","***","--key***","***"],"url":"http://***@h/v1"}"#
        );
        assert_eq!(
            masked(
                r#"{"dsn":"postgres://u:pw@h/d","jdbc":"jdbc:postgresql://h/d?password=pw","password":5,"headers":{"X-Key":"k"},"myApiKey":"k","max_tokens":5,"t":"a: b"}"#
            ),
            r#"{"dsn":"postgres://***@h/d","jdbc":"jdbc:postgresql://h/d?***","password":"***","headers":{"X-Key":"***"},"myApiKey":"***","max_tokens":5,"t":"a: b"}"#
        );
        assert_eq!(masked("a mcp_0123abc, and mcp_f"), "a mcp_***, and mcp_***");
        assert!(masked(&"x".repeat(5000)).ends_with("… (5000 bytes)"));
    }
}
