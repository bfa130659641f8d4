//! Calling models: through a publisher that is played by hand, and at public addresses.

#[path = "calls/deadlines.rs"]
mod deadlines;
#[path = "calls/fidelity.rs"]
mod fidelity;
#[path = "calls/flow.rs"]
mod flow;
#[path = "calls/offline.rs"]
mod offline;
#[path = "calls/pools.rs"]
mod pools;
#[path = "calls/public.rs"]
mod public;
#[path = "calls/queue.rs"]
mod queue;
#[path = "calls/sessions.rs"]
mod sessions;
#[path = "calls/tasks.rs"]
mod tasks;
#[path = "calls/unread.rs"]
mod unread;
#[path = "calls/waking.rs"]
mod waking;

use mcpctl_tests::{Answer, Mcpd, Publisher, publisher::FEATURES, samples, sse::Sse, within};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(5);

/// A server, and a publisher that has Llm `llm` there.
pub struct Setting {
    pub mcpd: Mcpd,
    pub publisher: Publisher,
}

impl Setting {
    pub async fn new(flags: &[&str]) -> Self {
        let mcpd = Mcpd::start(flags).await;
        let mut publisher = mcpd.publisher("one");
        let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
        publisher.connect(FEATURES).await;
        Self { mcpd, publisher }
    }

    fn request(&self, body: String) -> reqwest::RequestBuilder {
        let request = self.mcpd.client().request(Method::POST, "/llms/llm/infer");
        request.header("content-type", "application/json").body(body)
    }

    /// Calls; returns the call and the text of the frame that the publisher got.
    pub async fn call(&mut self, body: String) -> (JoinHandle<Answer>, String) {
        let call = tokio::spawn(mcpctl_tests::Client::send(self.request(body)));
        (call, self.publisher.frame("infer").await)
    }

    /// Calls for a stream; returns the call and the task.
    pub async fn stream(&mut self) -> (JoinHandle<Sse>, String) {
        let request = self.request(samples::ask(true).to_string());
        let call = tokio::spawn(async move {
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), 200);
            Sse::new(response)
        });
        (call, self.publisher.task("infer").await)
    }
}

/// The stream of a call that has begun.
pub async fn begun(call: JoinHandle<Sse>) -> Sse {
    within("the answer begins", SOON, call).await.expect("no panic")
}
