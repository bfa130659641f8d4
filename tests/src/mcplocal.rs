//! The real publisher.

use crate::{client::Client, home::Home, program::Program, wait::eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time until a publisher's rows are there.
const CONNECTED: Duration = Duration::from_secs(15);

/// `mcplocal`, running.
#[derive(Debug)]
pub struct Mcplocal {
    /// The process.
    pub process: Program,
    home: Home,
    args: Vec<String>,
}

impl Mcplocal {
    /// Starts a publisher in the home of a server's user.
    pub fn start(home: &Home, config: &Value, flags: &[&str]) -> Self {
        home.configure(config);
        let args: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        Self { process: Program::start("mcplocal", home, &args, &[]), home: home.clone(), args }
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.process.kill();
        self.process = Program::start("mcplocal", &self.home, &self.args, &[]);
    }

    /// Waits until its Llm can be called.
    pub async fn connected(&self, client: &Client, llm: &str) {
        let log = || self.process.log();
        eventually(format!("{llm} is connected; mcplocal says:\n{}", log()), CONNECTED, async || {
            let row = Client::try_send(client.request(reqwest::Method::GET, &format!("/llms/{llm}"))).await.ok()?;
            (row.status == 200 && row.json()["connected"] == true && row.json()["status"] == "active").then_some(())
        })
        .await;
    }

    /// Waits until it says this in its log.
    pub async fn says(&self, text: &str, deadline: Duration) {
        eventually(format!("mcplocal says `{text}`"), deadline, async || {
            self.process.log().contains(text).then_some(())
        })
        .await;
    }
}

/// A configuration with one published model `name` at `url`, and an agent of the name `<name>-agent` on it.
pub fn config(name: &str, url: &str) -> Value {
    json!({
        "llm": {"providers": [{"name": name, "type": "openai", "model": "m", "url": url, "publish": true}]},
        "agents": [{"name": format!("{name}-agent"), "llm": name, "systemPrompt": "Be terse."}],
    })
}
