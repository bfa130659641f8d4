//! The real publisher between the real server and a model server.

#[path = "publisher/availability.rs"]
mod availability;
#[path = "publisher/proxy.rs"]
mod proxy;
#[path = "publisher/relaying.rs"]
mod relaying;

use mcpctl_tests::{Client, Mcpd, Mcplocal, Model, Reply, mcplocal::config};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// A server, a publisher beside it, and a model server behind that.
struct Setting {
    model: Model,
    mcplocal: Mcplocal,
    client: Client,
    mcpd: Mcpd,
}

impl Setting {
    /// Publishes Llm `llm` with agent `llm-agent`.
    async fn new(reply: Reply, flags: &[&str]) -> Self {
        let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(reply).await);
        let client = mcpd.client();
        let mcplocal = Mcplocal::start(&mcpd.home, &config("llm", &model.url), flags);
        mcplocal.connected(&client, "llm").await;
        Self { model, mcplocal, client, mcpd }
    }
}
