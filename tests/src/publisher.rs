//! The publisher's side of the protocol, by hand.

use crate::{
    client::{Answer, Client},
    sse::Sse,
    wait::within,
};
use bytes::Bytes;
use futures_util::stream;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json, value::RawValue};
use std::{collections::BTreeMap, convert::Infallible, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};

/// What current publishers announce.
pub const FEATURES: &str = "accept, ack";
const PATIENCE: Duration = Duration::from_secs(5);

/// A publisher with a session id of its own.
pub struct Publisher {
    /// Its caller's side.
    pub client: Client,
    /// Its sticky session.
    pub session: String,
    stream: Option<Sse>,
}

impl Publisher {
    /// A publisher that has said nothing yet.
    pub fn new(client: Client, session: &str) -> Self {
        Self { client, session: session.to_owned(), stream: None }
    }

    /// Declares what it publishes.
    pub async fn register(&self, providers: Value, agents: Value) -> Answer {
        let body = json!({"providerSessionId": self.session, "providers": providers, "agents": agents});
        self.client.post("/llms/_provider-register", &body).await
    }

    /// Sends a sign of life.
    pub async fn heartbeat(&self) -> Answer {
        self.client.post("/llms/_provider-heartbeat", &json!({"providerSessionId": self.session})).await
    }

    /// A request with the session's header.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path).header("x-mcpctl-provider-session", &self.session)
    }

    /// Opens a stream; a refusal is an error.
    pub async fn open(&self, features: &str) -> Result<Sse, Answer> {
        let request = self.request(Method::GET, "/llms/_provider-stream").header("x-mcpctl-features", features);
        let response = request.timeout(Duration::from_mins(5)).send().await.expect("an answer");
        if response.status() != 200 {
            return Err(Answer::read(response).await.expect("an answer"));
        }
        assert_eq!(response.headers()["x-accel-buffering"], "no", "no proxy holds it back");
        Ok(Sse::new(response))
    }

    /// Opens a stream, waits for its `hello`, and returns its epoch. The stream before is returned too, still open.
    pub async fn connect(&mut self, features: &str) -> (u64, Option<Sse>) {
        let mut stream = self.open(features).await.expect("a stream");
        let hello = stream.next().await;
        assert_eq!(hello.name, "hello");
        let hello: Value = serde_json::from_str(&hello.data).expect("hello is JSON");
        assert_eq!(hello["providerSessionId"], self.session);
        (hello["epoch"].as_u64().expect("hello has an epoch"), self.stream.replace(stream))
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    /// The open stream.
    pub fn stream(&mut self) -> &mut Sse {
        self.stream.as_mut().expect("a stream is open")
    }

    /// The text of the next frame of this kind; others are skipped.
    pub async fn frame(&mut self, kind: &str) -> String {
        let stream = self.stream.as_mut().expect("a stream is open");
        let mark = format!(r#"{{"kind":"{kind}""#);
        let next = async {
            loop {
                let event = stream.event().await.expect("the stream goes on");
                if event.name == "task" && event.data.starts_with(&mark) {
                    return event.data;
                }
            }
        };
        within(format!("a frame of kind {kind}"), PATIENCE, next).await
    }

    /// The id of the next task of this kind.
    pub async fn task(&mut self, kind: &str) -> String {
        task_id(&self.frame(kind).await)
    }

    /// Sends one result object.
    pub async fn result(&self, task: &str, object: &Value) -> Answer {
        let request = self.request(Method::POST, &format!("/llms/_provider-task/{task}/result"));
        Client::send(request.json(object)).await
    }

    /// Begins a streamed upload.
    pub fn upload(&self, task: &str) -> Upload {
        let (lines, receiver) = mpsc::channel::<Bytes>(1);
        let body = stream::unfold(receiver, |mut receiver| async {
            let line = receiver.recv().await?;
            Some((Ok::<_, Infallible>(line), receiver))
        });
        let request = self
            .request(Method::POST, &format!("/llms/_provider-task/{task}/result"))
            .header("content-type", "application/x-ndjson")
            .timeout(Duration::from_mins(5))
            .body(reqwest::Body::wrap_stream(body));
        Upload { lines, answer: tokio::spawn(Client::try_send(request)) }
    }

    /// Sends all objects in one streamed upload.
    pub async fn results(&self, task: &str, objects: &[Value]) -> Answer {
        let upload = self.upload(task);
        for object in objects {
            upload.send(object).await;
        }
        upload.finish().await
    }
}

/// The task that a frame is about.
pub fn task_id(frame: &str) -> String {
    // What else it holds may be more than any parser keeps.
    let frame: BTreeMap<String, &RawValue> = serde_json::from_str(frame).expect("a frame is a JSON object");
    frame["taskId"].get().trim_matches('"').to_owned()
}

/// One streamed request body.
pub struct Upload {
    lines: mpsc::Sender<Bytes>,
    answer: JoinHandle<reqwest::Result<Answer>>,
}

impl Upload {
    /// Sends one object; false once the server reads no more.
    pub async fn send(&self, object: &Value) -> bool {
        self.send_text(format!("{object}\n")).await
    }

    /// Sends bytes as they are.
    pub async fn send_text(&self, text: impl Into<Bytes>) -> bool {
        self.lines.send(text.into()).await.is_ok()
    }

    /// Ends the body and waits for the answer.
    pub async fn finish(self) -> Answer {
        drop(self.lines);
        within("the end of an upload", PATIENCE, self.answer).await.expect("not cancelled").expect("an answer")
    }

    /// Waits for the answer without ending the body.
    pub async fn answered(self) -> Answer {
        within("an answer to an open upload", PATIENCE, self.answer).await.expect("not cancelled").expect("an answer")
    }

    /// Breaks the connection in the middle of the body.
    pub fn break_off(self) {
        self.answer.abort();
    }
}
