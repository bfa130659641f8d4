//! Calling a model server.

use crate::{
    availability::Availability,
    config::{ApiKey, Kind, Provider},
    echo,
    frame::Infer,
    http::{Client, Failure, Payload, read_all},
    json::{answer_line, error_line},
    lines::{Answer, Ends, Streamed},
    wake::Started,
};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use std::{
    env::{self, VarError},
    sync::Arc,
};
use tokio::fs;
use tokio_util::task::TaskTracker;
use tracing::warn;

const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// The model servers of this machine.
#[derive(Debug)]
pub struct Models {
    /// For all calls to model servers.
    pub client: Client,
    /// What is published.
    pub providers: Vec<Arc<Provider>>,
    /// Which of them can be called.
    pub availability: Availability,
    /// What wakes started and still runs.
    pub started: Started,
    /// Knows every task.
    pub tracker: TaskTracker,
}

impl Models {
    /// The published provider of that name.
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Makes a call; whatever goes wrong is an answer too.
    pub async fn ask(self: Arc<Self>, call: Infer) -> Answer {
        let Some(provider) = self.provider(&call.llm_name) else {
            return Answer::Whole(error_line(&format!("this publisher has no model '{}'", call.llm_name)));
        };
        if provider.kind == Kind::Echo {
            return echo::answer(provider, &call.path, call.streaming, &call.request);
        }
        match self.call(provider, call).await {
            Ok(answer) => answer,
            Err(why) => Answer::Whole(error_line(&format!("model server {}: {why}", label(provider)))),
        }
    }

    async fn call(&self, provider: &Provider, call: Infer) -> Result<Answer, String> {
        if let Some(variable) = provider.api_key.as_ref().and_then(ApiKey::unset) {
            warn!("model server {} is called without a key: the variable {variable} is not set", label(provider));
        }
        let mut request = request(provider, Method::POST, &call.path, Payload::Whole(call.request)).await?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.client.send(request).await.map_err(|failure| self.failed(&failure))?;
        let status = answer.status();
        if call.streaming && status == StatusCode::OK && is_event_stream(&answer) {
            let (body, ends) = (answer.into_body(), Ends::of(&call.path));
            return Ok(Answer::Stream(Streamed::new(body, ends, label(provider), self.tracker.clone())));
        }
        let content_type = content_type(&answer).to_owned();
        if let Some(coding) = answer.headers().get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            return Err(format!("answered in the encoding {coding:?}, which nobody asked for"));
        }
        let body = read_all(answer.into_body(), LARGEST_ANSWER).await.map_err(|error| error.to_string())?;
        if std::str::from_utf8(&body).is_err() {
            return Err(format!("answered {status} with what is no text ({content_type:?}, {} bytes)", body.len()));
        }
        Ok(Answer::Whole(answer_line(status.as_u16(), &body, &content_type)))
    }

    /// A server that went away is looked at again now, and not only at the next round.
    fn failed(&self, failure: &Failure) -> String {
        if failure.no_connection {
            self.availability.look_again();
        }
        failure.to_string()
    }
}

/// A request to a provider's server, with its key.
///
/// # Errors
/// When the path is none of the model API's, or the key cannot be read.
pub async fn request(
    provider: &Provider,
    method: Method,
    path: &str,
    payload: Payload,
) -> Result<Request<Payload>, String> {
    if !path.starts_with("/v1/") || path.contains("..") {
        return Err(format!("`{path}` is no path of the model API"));
    }
    let uri: Uri = format!("{}{path}", provider.base).parse().map_err(|_| format!("`{path}` is no path"))?;
    let mut request = Request::new(payload);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    if let Some(key) = &provider.api_key
        && let Some(bearer) = bearer(key).await?
    {
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    Ok(request)
}

/// None where the key is empty.
async fn bearer(key: &ApiKey) -> Result<Option<HeaderValue>, String> {
    let secret = match key {
        ApiKey::Env(name) => match env::var(name) {
            Err(VarError::NotUnicode(_)) => return Err(format!("the variable {name} does not hold text")),
            read => read.unwrap_or_default(),
        },
        ApiKey::File(file) => fs::read_to_string(file)
            .await
            .map_err(|error| format!("the API key file {} cannot be read: {error}", file.display()))?,
    };
    let secret = secret.trim();
    if secret.is_empty() {
        return Ok(None);
    }
    let mut bearer = HeaderValue::from_str(&format!("Bearer {secret}"))
        .map_err(|_| "the API key has characters that a header cannot hold".to_owned())?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}

/// How a provider's server is called in messages.
pub fn label(provider: &Provider) -> String {
    format!("'{}' at {}", provider.name, provider.base)
}

fn content_type(answer: &Response<Incoming>) -> &str {
    answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_event_stream(answer: &Response<Incoming>) -> bool {
    let prefix = content_type(answer).get(.."text/event-stream".len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(key: Option<ApiKey>) -> Provider {
        let mut provider = Provider::new("v", Kind::OpenAi, "m", Some("http://h:1/openai/v1/")).expect("valid");
        provider.api_key = key;
        provider
    }

    async fn authorization(key: Option<ApiKey>) -> Result<Option<String>, String> {
        let provider = provider(key);
        let request = request(&provider, Method::POST, "/v1/embeddings", Payload::empty()).await?;
        assert_eq!(request.uri(), "http://h:1/openai/v1/embeddings");
        let value = request.headers().get(AUTHORIZATION);
        assert!(value.is_none_or(HeaderValue::is_sensitive));
        Ok(value.and_then(|value| value.to_str().ok()).map(str::to_owned))
    }

    #[tokio::test]
    async fn a_key_is_sent_unless_it_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        std::fs::write(&file, "sk-1\n").expect("written");
        assert_eq!(authorization(Some(ApiKey::File(file.clone()))).await, Ok(Some("Bearer sk-1".to_owned())));
        std::fs::write(&file, "\n").expect("written");
        assert_eq!(authorization(Some(ApiKey::File(file))).await, Ok(None));
        assert_eq!(authorization(Some(ApiKey::Env("MCPLOCAL_TEST_NOT_SET".to_owned()))).await, Ok(None));
        assert_eq!(authorization(None).await, Ok(None));
        let missing = authorization(Some(ApiKey::File("/nowhere/key".into()))).await.expect_err("no file");
        assert!(missing.contains("/nowhere/key"));
    }

    #[tokio::test]
    async fn other_paths_are_not_called() {
        for path in ["/admin", "@evil.example/v1/x", "/v1/../admin", "/v1x"] {
            assert!(request(&provider(None), Method::POST, path, Payload::empty()).await.is_err(), "{path}");
        }
    }
}
