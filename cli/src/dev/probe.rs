//! Looks for model servers on this machine, at the ports that they use unless told otherwise.

use anyhow::{Context, bail};
use futures_util::future::join_all;
use serde::Deserialize;
use std::time::Duration;

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
    pub kind: &'static str,
    /// Where it listens.
    pub port: u16,
}

/// The servers that are looked for, best first.
pub const CANDIDATES: [Candidate; 4] = [
    Candidate { label: "Ollama", kind: "ollama", port: 11434 },
    Candidate { label: "LM Studio", kind: "lmstudio", port: 1234 },
    Candidate { label: "vLLM", kind: "vllm", port: 8000 },
    Candidate { label: "llama.cpp", kind: "llamacpp", port: 8080 },
];

/// What became of one candidate: the models that it lists, or nothing.
#[derive(Debug)]
pub struct Found {
    /// The server that was looked for.
    pub candidate: Candidate,
    /// Ids of its models; `None` if nothing that lists models answers there.
    pub models: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// Looks for all candidates at once.
pub async fn look(candidates: &[Candidate]) -> anyhow::Result<Vec<Found>> {
    let http = reqwest::Client::builder()
        .timeout(LIMIT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([])
        .build()?;
    let http = &http;
    let looks = candidates.iter().map(|&candidate| async move {
        let models = models(http, &candidate.url()).await;
        Found { candidate, models: models.ok() }
    });
    Ok(join_all(looks).await)
}

impl Candidate {
    /// Base address of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

async fn models(http: &reqwest::Client, base: &str) -> anyhow::Result<Vec<String>> {
    let mut response = http.get(format!("{base}/models")).send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            bail!("its list of models is longer than {LONGEST} bytes");
        }
    }
    let list: ModelList = serde_json::from_slice(&body).context("it does not list models")?;
    Ok(list.data.into_iter().map(|m| m.id).filter(|id| !id.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

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
        let candidates = ports.map(|port| Candidate { label: "X", kind: "openai", port });
        let found = look(&candidates).await.unwrap();
        assert_eq!(found[0].models.as_deref(), Some(&["llama3.2:latest".to_owned()][..]));
        assert!(found[1].models.is_none() && found[2].models.is_none());
    }
}
