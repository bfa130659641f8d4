//! One look at one model server: `GET /v1/models`.

use crate::{
    config::{Kind, Provider},
    http::{Client, Payload, read_all, within},
    model::request,
};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const LARGEST_LIST: usize = 4 * 1024 * 1024;
/// Model names that a log line shows at most.
const SHOWN: usize = 10;

/// What a look found.
#[derive(Debug)]
pub enum Finding {
    /// It answers, and has the model.
    Up,
    /// It answers, and does not say which models it has; not every server does.
    Unlisted(StatusCode),
    /// It took the connection and did not answer in time.
    Slow,
    /// It does not answer, or says that it cannot.
    Down(String),
    /// It lists its models, and ours is not one of them.
    Missing(Vec<String>),
    /// It was not asked, for want of its key.
    Locked(String),
}

/// What a model server answers to `GET /v1/models`.
#[derive(Deserialize)]
pub struct List {
    /// Its models.
    pub data: Vec<Listed>,
}

/// One of its models.
#[derive(Deserialize)]
pub struct Listed {
    /// Its name there.
    pub id: String,
}

impl Finding {
    /// Whether it answers, and does not deny the model.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up | Self::Unlisted(_))
    }
}

pub async fn probe(client: &Client, provider: &Provider) -> Finding {
    if provider.kind == Kind::Echo {
        return Finding::Up;
    }
    within(ANSWER_WITHIN, ask(client, provider)).await.unwrap_or(Finding::Slow)
}

async fn ask(client: &Client, provider: &Provider) -> Finding {
    let request = match request(provider, Method::GET, "/v1/models", Payload::empty()).await {
        Ok(request) => request,
        Err(why) => return Finding::Locked(why),
    };
    let answer = match client.send(request).await {
        Ok(answer) => answer,
        Err(failure) => return Finding::Down(failure.reason),
    };
    let status = answer.status();
    if status.is_server_error() {
        return Finding::Down(format!("it answers {}", status.as_u16()));
    }
    let list = read_all(answer.into_body(), LARGEST_LIST).await;
    match list.ok().filter(|_| status.is_success()).and_then(|list| serde_json::from_slice(&list).ok()) {
        Some(list) => judge(list, provider),
        None => Finding::Unlisted(status),
    }
}

fn judge(list: List, provider: &Provider) -> Finding {
    if list.data.iter().any(|listed| is_model(&listed.id, provider)) {
        return Finding::Up;
    }
    Finding::Missing(list.data.into_iter().map(|listed| listed.id).take(SHOWN).collect())
}

/// Ollama lists `llama3:latest` and takes `llama3` for it.
fn is_model(id: &str, provider: &Provider) -> bool {
    let model = provider.model.as_str();
    id == model || (provider.kind == Kind::Ollama && id.strip_suffix(":latest") == Some(model))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ApiKey;
    use tokio_util::task::TaskTracker;

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_not_the_servers_fault() {
        let mut provider = Provider::new("p", Kind::Vllm, "m", None).expect("valid");
        provider.api_key = Some(ApiKey::File("/nowhere/key".into()));
        let found = probe(&Client::new(ANSWER_WITHIN, &TaskTracker::new()), &provider).await;
        assert!(matches!(&found, Finding::Locked(why) if why.contains("the API key file /nowhere/key")), "{found:?}");
    }

    #[test]
    fn a_model_is_known_by_its_id() {
        let named = |kind| Provider::new("p", kind, "llama3", Some("http://h")).expect("valid");
        let list = |id: &str| List { data: vec![Listed { id: id.to_owned() }, Listed { id: "other".to_owned() }] };
        assert!(matches!(judge(list("llama3"), &named(Kind::Vllm)), Finding::Up));
        assert!(matches!(judge(list("llama3:latest"), &named(Kind::Ollama)), Finding::Up));
        assert!(matches!(judge(list("llama3:latest"), &named(Kind::Vllm)), Finding::Missing(_)));
        assert!(matches!(judge(List { data: Vec::new() }, &named(Kind::Ollama)), Finding::Missing(_)));
    }
}
