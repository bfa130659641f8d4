//! Chatting with agents: threads, what the model is sent, what counts as the reply.

#[path = "chat/params.rs"]
mod params;
#[path = "chat/persona.rs"]
mod persona;
#[path = "chat/replies.rs"]
mod replies;
#[path = "chat/threads.rs"]
mod threads;
#[path = "chat/tools.rs"]
mod tools;

use mcpctl_tests::{Answer, Client, Mcpd, Publisher, samples};
use serde_json::{Value, json};

/// A server, and a publisher that has Llm `llm` with agent `agent` there.
pub struct Setting {
    pub mcpd: Mcpd,
    pub publisher: Publisher,
}

impl Setting {
    pub async fn new(flags: &[&str]) -> Self {
        let mcpd = Mcpd::start(flags).await;
        let mut publisher = mcpd.publisher("one");
        let agents = json!([samples::agent("agent", "llm")]);
        let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
        publisher.connect("").await;
        Self { mcpd, publisher }
    }

    /// Says something to the agent; the model answers with these result objects. Returns what it was sent, and the
    /// answer.
    pub async fn turn(&mut self, body: Value, results: &[Value]) -> (Value, Answer) {
        let client = self.mcpd.client();
        let call = tokio::spawn(async move { client.post("/agents/agent/chat", &body).await });
        let frame: Value = serde_json::from_str(&self.publisher.frame("infer").await).expect("a frame is JSON");
        let task = frame["taskId"].as_str().expect("a task").to_owned();
        let _ = self.publisher.results(&task, results).await.expect(202);
        (frame["request"].clone(), call.await.expect("no panic"))
    }

    /// Role, content and status of a thread's messages.
    async fn messages(&self, thread: &Value) -> Vec<(String, Value, String)> {
        messages(&self.mcpd.client(), thread).await
    }
}

async fn messages(client: &Client, thread: &Value) -> Vec<(String, Value, String)> {
    let thread = thread.as_str().expect("a thread has an id");
    let messages = client.get(&format!("/threads/{thread}/messages")).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = messages.as_array().expect("messages are an array").iter().enumerate();
    messages
        .map(|(index, message)| {
            assert_eq!(message["turnIndex"], index, "turns are counted without gaps");
            (text(&message["role"]), message["content"].clone(), text(&message["status"]))
        })
        .collect()
}

fn said(role: &str, content: &str, status: &str) -> (String, Value, String) {
    (role.to_owned(), json!(content), status.to_owned())
}

/// The events of a streamed chat.
fn events(answer: &Answer) -> Vec<Value> {
    answer.data().iter().map(|event| serde_json::from_str(event).expect("an event is JSON")).collect()
}
