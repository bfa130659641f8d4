//! Model servers of this machine, at the ports that they use unless told otherwise, and what to publish of them.

mod names;

use crate::{
    availability::List,
    config::Kind,
    http::{Client, Payload, read_all, within},
    shown,
};
use futures_util::future::join_all;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio_util::task::TaskTracker;

/// Longest time that all of the looking may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Longest list of models that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// A kind of model server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// What people call it.
    pub label: &'static str,
    /// The publisher's word for it.
    pub kind: Kind,
    /// Where it listens.
    pub port: u16,
}

/// The servers that are looked for, best first.
pub const CANDIDATES: [Candidate; 4] = [
    Candidate { label: "Ollama", kind: Kind::Ollama, port: 11434 },
    Candidate { label: "LM Studio", kind: Kind::LmStudio, port: 1234 },
    Candidate { label: "vLLM", kind: Kind::Vllm, port: 8000 },
    Candidate { label: "llama.cpp", kind: Kind::LlamaCpp, port: 8080 },
];

/// What became of one candidate: the models that it lists, or nothing.
#[derive(Debug)]
pub struct Found {
    /// The server that was looked for.
    pub candidate: Candidate,
    /// Ids of its models; `None` if nothing that lists models answers there.
    pub models: Option<Vec<String>>,
    /// What is wrong with what answers there, if something does.
    pub odd: Option<String>,
}

/// Looks for all candidates at once.
pub async fn look(candidates: &[Candidate]) -> Vec<Found> {
    let client = Client::new(LIMIT, &TaskTracker::new());
    let client = &client;
    let looks = candidates.iter().map(|&candidate| async move {
        let late = || Err(Some("it does not answer in time".to_owned()));
        let (models, odd) = match within(LIMIT, models(client, &candidate.url())).await.unwrap_or_else(late) {
            Ok(models) => (Some(models), None),
            Err(odd) => (None, odd),
        };
        Found { candidate, models, odd }
    });
    join_all(looks).await
}

impl Candidate {
    /// Base address of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

/// The models of a server; or what is wrong with it, if something is there.
async fn models(client: &Client, base: &str) -> Result<Vec<String>, Option<String>> {
    let mut request = Request::new(Payload::empty());
    *request.uri_mut() = format!("{base}/models").parse().map_err(|_| None)?;
    let answer = client.send(request).await.map_err(|_| None)?;
    let status = answer.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(Some(format!("it answers {status}: it wants a key, which `apiKey` of a provider names")));
    }
    if !status.is_success() {
        return Err(Some(format!("it answers {status} to GET /v1/models")));
    }
    let body = read_all(answer.into_body(), LONGEST).await.map_err(|error| Some(error.to_string()))?;
    let list: List =
        serde_json::from_slice(&body).map_err(|_| Some("what it answers is no list of models".to_owned()))?;
    let is_id = |id: &String| !id.is_empty() && !id.contains(char::is_control);
    Ok(list.data.into_iter().map(|listed| listed.id).filter(is_id).collect())
}

/// Providers for the models that can chat, at most so many of each server, as `config.json` has them.
pub fn providers(found: &[Found], most: usize) -> Vec<Value> {
    let (mut taken, mut providers) = (BTreeSet::new(), Vec::new());
    for Found { candidate, models, .. } in found {
        for model in models.iter().flatten().filter(|model| !is_embedding(model)).take(most) {
            providers.push(
                json!({"name": names::claim(model, &mut taken), "type": candidate.kind.word(), "model": model,
                "url": candidate.url(), "description": format!("{model} on this machine's {}", candidate.label),
                "publish": true}),
            );
        }
    }
    providers
}

/// Embedding models cannot chat; servers list them among the others.
fn is_embedding(model: &str) -> bool {
    model.to_ascii_lowercase().contains("embed")
}

/// Which servers were found, and which not; `most` are published of each.
pub fn report(found: &[Found], most: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Found { candidate, models, odd } in found {
        if let Some(odd) = odd {
            lines.push(format!("something answers at 127.0.0.1:{}, {}'s port: {odd}", candidate.port, candidate.label));
        }
        let Some(models) = models else { continue };
        let place = format!("found {} at 127.0.0.1:{}", candidate.label, candidate.port);
        lines.push(match models.len() {
            0 => format!("{place}, but it has no models yet"),
            n if n > most => format!("{place} with {n} models; {most} of them are published"),
            _ => format!("{place}: {}", models.iter().map(|model| shown::line(model)).collect::<Vec<_>>().join(", ")),
        });
    }
    let missing = found.iter().filter(|f| f.models.is_none() && f.odd.is_none());
    let missing: Vec<_> = missing.map(|f| format!("{} (port {})", f.candidate.label, f.candidate.port)).collect();
    if !missing.is_empty() {
        lines.push(format!("not running here: {}", missing.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    fn server(body: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).unwrap();
        });
        port
    }

    #[tokio::test]
    async fn only_what_lists_models_is_found() {
        // Bound but never accepted: it is silent, and must not hold up the others for long.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = [
            server(r#"{"object":"list","data":[{"id":"llama3.2:latest","object":"model"},{"id":""}]}"#),
            server("<html>something else</html>"),
            silent.local_addr().unwrap().port(),
        ];
        let candidates = ports.map(|port| Candidate { label: "X", kind: Kind::OpenAi, port });
        let found = look(&candidates).await;
        assert_eq!(found[0].models.as_deref(), Some(&["llama3.2:latest".to_owned()][..]));
        assert!(found[1].models.is_none() && found[2].models.is_none());
    }

    fn found(models: &[Option<&[&str]>]) -> Vec<Found> {
        let one = |(i, m): (usize, Option<&[&str]>)| Found {
            candidate: CANDIDATES[i],
            models: m.map(|ids| ids.iter().map(|&id| id.to_owned()).collect()),
            odd: None,
        };
        models.iter().copied().enumerate().map(one).collect()
    }

    #[test]
    fn every_model_that_can_chat_is_published_and_what_is_there_is_told() {
        let found = found(&[Some(&["nomic-embed-text", "llama3.2:latest"]), None, Some(&["meta/llama3.2"])]);
        let providers = providers(&found, 5);
        let names: Vec<_> = providers.iter().map(|provider| provider["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, ["llama3.2", "llama3.2-2"]);
        assert_eq!((&providers[1]["model"], &providers[1]["type"]), (&json!("meta/llama3.2"), &json!("vllm")));
        assert_eq!(
            report(&found, 5),
            "found Ollama at 127.0.0.1:11434: nomic-embed-text, llama3.2:latest\n\
             found vLLM at 127.0.0.1:8000: meta/llama3.2\nnot running here: LM Studio (port 1234)"
        );
    }

    #[test]
    fn a_server_with_many_models_does_not_flood_the_registry() {
        let many = found(&[Some(&["a", "b", "c", "d", "e", "f", "g"])]);
        assert_eq!(providers(&many, 5).len(), 5);
        assert!(report(&many, 5).contains("with 7 models; 5 of them are published"));
        assert!(providers(&found(&[Some(&[]), None]), 5).is_empty());
    }
}
