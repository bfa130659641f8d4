//! Talks to the server: one request, one answer or one stream; every failure becomes a [`Failure`].

pub mod failure;
pub mod route;
pub mod stream;
pub mod trace;

use crate::credentials::Target;
use failure::Failure;
use mcpctl_events::wire;
use reqwest::{Method, RequestBuilder, Response, Url};
use route::Route;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use stream::Stream;
use trace::Trace;

const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for an answer that is neither a model's nor a stream.
const ANSWER: Duration = Duration::from_secs(30);
/// Most bytes of an answer that is read whole: a list of a hundred thousand rows has some 50 MiB.
const LARGEST_ANSWER: usize = 512 << 20;
/// Shorter than servers keep idle connections, so that a slow typist never meets a closed one.
const IDLE: Duration = Duration::from_secs(5);

/// A server, with the token for it.
pub struct Client {
    http: reqwest::Client,
    target: Target,
    trace: Trace,
}

/// An answer that is complete.
#[derive(Debug)]
pub struct Answer {
    /// The body, JSON on every route of the API.
    pub body: String,
    /// Where the server's tables or log are.
    pub sequence: Option<u64>,
    /// The cursor of the page after this one, if there is one.
    pub next: Option<String>,
}

impl Answer {
    /// Reads the body as a wire type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|e| Failure::Malformed { reason: e.to_string() })
    }
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(target: Target, trace: Trace) -> Result<Self, Failure> {
        let http = builder(&target.server).build().map_err(|e| Failure::transport(&target.server, &e))?;
        Ok(Client { http, target, trace })
    }

    /// The server's address as the user would type it.
    pub fn address(&self) -> &str {
        self.target.server.as_str().trim_end_matches('/')
    }

    /// Gets an answer.
    pub async fn get(&self, route: &Route) -> anyhow::Result<Answer> {
        self.answer(self.request(Method::GET, route)?.timeout(ANSWER), route).await
    }

    /// Deletes a resource.
    pub async fn delete(&self, route: &Route) -> anyhow::Result<Answer> {
        self.answer(self.request(Method::DELETE, route)?.timeout(ANSWER), route).await
    }

    /// Posts without a body.
    pub async fn post(&self, route: &Route) -> anyhow::Result<Answer> {
        self.answer(self.request(Method::POST, route)?.timeout(ANSWER), route).await
    }

    /// Posts JSON to a route that a model answers on. There is no time limit: the server has its own.
    ///
    /// The answer's body is still on its way.
    pub async fn call(&self, route: &Route, body: &impl serde::Serialize) -> anyhow::Result<Response> {
        self.send(self.request(Method::POST, route)?.json(body), route).await
    }

    /// Writes a JSON document; where a version is given, only over that.
    pub async fn write(
        &self,
        method: Method,
        route: &Route,
        body: String,
        if_match: Option<u64>,
    ) -> anyhow::Result<Answer> {
        let request = self.request(method, route)?.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        let request = match if_match {
            Some(version) => request.header(reqwest::header::IF_MATCH, version),
            None => request,
        };
        self.answer(request.timeout(ANSWER), route).await
    }

    /// Gets an answer that may be long; its body is still on its way.
    pub async fn open(&self, route: &Route) -> anyhow::Result<Response> {
        self.send(self.request(Method::GET, route)?, route).await
    }

    /// Posts without a body to a route whose answer takes its time; its body is still on its way.
    pub async fn begin(&self, route: &Route) -> anyhow::Result<Response> {
        self.send(self.request(Method::POST, route)?, route).await
    }

    /// Gets an answer that goes on.
    pub async fn follow(&self, route: &Route) -> anyhow::Result<Stream<'_>> {
        let request = self.request(Method::GET, route)?.header(reqwest::header::ACCEPT, "text/event-stream");
        Ok(Stream::of(self, route, self.send(request, route).await?))
    }

    /// Reads the rest of an answer.
    pub async fn rest(&self, response: Response) -> Result<Answer, Failure> {
        let header = response.headers().get(wire::SEQUENCE_HEADER);
        let sequence = header.and_then(|v| v.to_str().ok()?.parse().ok());
        let link = response.headers().get(reqwest::header::LINK).and_then(|link| link.to_str().ok());
        let next = link.and_then(|link| cursor(&self.target.server, link));
        let body = whole(response, LARGEST_ANSWER).await;
        let body = body
            .map_err(|error| self.broken(&error))?
            .ok_or_else(|| Failure::Malformed { reason: format!("it is larger than {} MiB", LARGEST_ANSWER >> 20) })?;
        let body = String::from_utf8(body).map_err(|_| Failure::Malformed { reason: "it is no UTF-8".to_owned() })?;
        self.trace.body(&body);
        Ok(Answer { body, sequence, next })
    }

    /// What became of a stream that broke off.
    pub fn broken(&self, error: &reqwest::Error) -> Failure {
        Failure::transport(&self.target.server, error)
    }

    /// A stream on which nothing comes any more.
    pub fn silent(&self, reason: String) -> Failure {
        Failure::broken(&self.target.server, reason)
    }

    async fn answer(&self, request: RequestBuilder, route: &Route) -> anyhow::Result<Answer> {
        Ok(self.rest(self.send(request, route).await?).await?)
    }

    async fn send(&self, request: RequestBuilder, route: &Route) -> anyhow::Result<Response> {
        let (http, request) = request.build_split();
        let request = request.map_err(|e| self.broken(&e))?;
        self.trace.request(&request);
        let begun = Instant::now();
        let response = http.execute(request).await.map_err(|e| self.broken(&e))?;
        self.trace.response(&response, begun.elapsed());
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(failure::refused(response, route, self.trace).await.into())
        }
    }

    fn request(&self, method: Method, route: &Route) -> anyhow::Result<RequestBuilder> {
        let request = self.http.request(method, route.url(&self.target.server)?);
        Ok(if route.is_public() { request } else { request.bearer_auth(&self.target.token) })
    }
}

/// All of a body; none if it is larger than `most` bytes.
pub async fn whole(mut response: Response, most: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// The cursor of `<…?cursor=…>; rel="next"` (RFC 8288).
fn cursor(server: &Url, link: &str) -> Option<String> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then_some(())?;
    let target = server.join(target).ok()?;
    target.query_pairs().find(|(key, _)| key == "cursor").map(|(_, cursor)| cursor.into_owned())
}

fn builder(server: &Url) -> reqwest::ClientBuilder {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none());
    if server.scheme() == "http" {
        // Reading the system's certificates takes longer than the rest of a start.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(server) {
        // A proxy would look for the server on its own machine.
        builder = builder.no_proxy();
    }
    builder
}

fn is_loopback(server: &Url) -> bool {
    server.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}
