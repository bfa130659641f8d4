//! A caller of the HTTP API.

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;
use std::time::Duration;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub text: String,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn read(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// Insists on a status.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Insists on an error: its status, its code, and a part of its sentence.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, says: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        let sentence = body["error"].as_str().expect("an error has a sentence");
        assert!(sentence.contains(says), "`{sentence}` does not say `{says}`");
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.text))
    }

    /// JSON pointers of the problems that the answer lists.
    pub fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let details = body["details"].as_array().cloned().unwrap_or_default();
        details.iter().map(|problem| problem["pointer"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `X-Mcpctl-Sequence`.
    pub fn sequence(&self) -> u64 {
        self.header("x-mcpctl-sequence").parse().expect("the answer names its sequence")
    }

    /// The payloads of the `data:` lines.
    pub fn data(&self) -> Vec<String> {
        self.text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
    }
}

/// Somebody with a token, or without.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Client {
    /// A caller of the server at `url`.
    pub fn new(url: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .timeout(Duration::from_mins(1))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { http, url: url.to_owned(), token }
    }

    /// The same caller with another token.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// A request to a path of the server's root.
    pub fn at_root(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request to a path under `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.at_root(method, &format!("/api/v1{path}"))
    }

    /// Sends; panics if there is no answer.
    pub async fn send(request: RequestBuilder) -> Answer {
        Self::try_send(request).await.expect("an answer")
    }

    /// Sends.
    pub async fn try_send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        Answer::read(request.send().await?).await
    }

    /// GET of a path under `/api/v1`.
    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request(Method::GET, path)).await
    }

    /// GET of a path of the root.
    pub async fn get_root(&self, path: &str) -> Answer {
        Self::send(self.at_root(Method::GET, path)).await
    }

    /// POST of JSON to a path under `/api/v1`.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::POST, path).json(body)).await
    }

    /// POST of any text, as JSON, to a path under `/api/v1`.
    pub async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        Self::send(request.body(body)).await
    }

    /// PUT of JSON to a path under `/api/v1`.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::PUT, path).json(body)).await
    }

    /// DELETE of a path under `/api/v1`.
    pub async fn delete(&self, path: &str) -> Answer {
        Self::send(self.request(Method::DELETE, path)).await
    }

    /// The row of an Llm or agent as the list shows it.
    pub async fn row(&self, list: &str, name: &str) -> Option<Value> {
        let rows = self.get(list).await.expect(200).json();
        rows.as_array().expect("a list is an array").iter().find(|row| row["name"] == name).cloned()
    }

    /// The sequence that the lists are at.
    pub async fn sequence(&self) -> u64 {
        self.get("/agents").await.expect(200).sequence()
    }

    /// All events above a sequence.
    pub async fn events(&self, mut after: u64) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.get(&format!("/events?after={after}&limit=10000")).await.expect(200).json();
            let page = page.as_array().expect("events are an array").clone();
            let Some(last) = page.last() else { return all };
            after = sequence_of(last);
            all.extend(page);
        }
    }
}

/// The sequence of an event.
pub fn sequence_of(event: &Value) -> u64 {
    event["sequence"].as_str().and_then(|digits| digits.parse().ok()).expect("an event has a sequence")
}
