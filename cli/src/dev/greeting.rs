//! What `dev` says once everything is connected: where it is, what can be chatted with, and how.

use super::program;
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::output::Screen;
use crate::output::table::{Table, Width};
use mcpctl_events::wire::rows::{Agent, Llm};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait for the publisher to connect anything, and for the rest of what is planned once something is there.
const DEADLINE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);
/// How many rows are shown; `get` has them all.
const ROWS: usize = 20;

/// What is there to be called.
#[derive(Default)]
struct Callable {
    agents: Vec<Agent>,
    llms: Vec<Llm>,
}

/// Waits until what is expected (`agent/x`, `llm/y`) is connected, at most until the deadline, and greets.
///
/// `flags` goes behind every command shown, to make it reach this server.
pub async fn greet(screen: Screen, client: &Client, expected: &BTreeSet<String>, flags: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut callable = loop {
        let late = began.elapsed() >= DEADLINE;
        match Callable::read(client).await {
            Ok(callable) if late || callable.has_all(expected) => break callable,
            Ok(callable) if began.elapsed() >= PATIENCE && !callable.is_empty() => break callable,
            Err(error) if late || is_final(&error) => return Err(error),
            _ => sleep(POLL).await,
        }
    };
    callable.put_first(expected);
    crate::output::answer(&callable.text(client.address(), &program::shown(), flags))?;
    let missing: Vec<_> = expected.iter().filter(|name| !callable.has(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        screen.note(&format!("not connected yet: {}; RUST_LOG=info says more", missing.join(", ")));
    }
    Ok(())
}

/// Waiting helps against a server that is not ready yet, but not against a wrong token.
fn is_final(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::Refused(refusal)) if refusal.status.is_client_error())
}

impl Callable {
    async fn read(client: &Client) -> anyhow::Result<Self> {
        let mut agents: Vec<Agent> = client.get(&Route::api(["agents"])).await?.read()?;
        let mut llms: Vec<Llm> = client.get(&Route::api(["llms"])).await?.read()?;
        llms.retain(|l| l.connected && !l.disabled && l.status != "inactive");
        let reached = |name: &str| llms.iter().any(|l| l.name == name || l.pool_name.as_deref() == Some(name));
        agents.retain(|a| a.connected && !a.disabled && a.status != "inactive" && reached(&a.llm.name));
        Ok(Callable { agents, llms })
    }

    fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.llms.is_empty()
    }

    /// What this start published comes before what was there already.
    fn put_first(&mut self, expected: &BTreeSet<String>) {
        self.agents.sort_by_key(|a| !expected.contains(&format!("agent/{}", a.name)));
        self.llms.sort_by_key(|l| !expected.contains(&format!("llm/{}", l.name)));
    }

    fn has_all(&self, expected: &BTreeSet<String>) -> bool {
        expected.iter().all(|name| self.has(name))
    }

    fn has(&self, name: &str) -> bool {
        match name.split_once('/') {
            Some(("agent", name)) => self.agents.iter().any(|a| a.name == name),
            Some(("llm", name)) => self.llms.iter().any(|l| l.name == name),
            _ => false,
        }
    }

    fn text(&self, address: &str, program: &str, flags: &str) -> String {
        let mut out = format!("\nmcpctl dev is running at {address}\n\n");
        let total = self.agents.len() + self.llms.len();
        if total == 0 {
            out += "Nothing can be chatted with yet.\n";
        } else {
            out += &self.table(program, flags).render(true, false);
        }
        if total > ROWS {
            let _ = writeln!(out, "and {} more", total - ROWS);
        }
        out += "\nNext, in another terminal:\n";
        let mut next = |command: &str| {
            let _ = writeln!(out, "  {program} {command}{flags}");
        };
        next("get agents");
        if let Some(agent) = self.agents.first() {
            next(&format!("chat {}", agent.name));
        }
        if let Some(agent) = self.agents.first() {
            out += &other_programs(address, program, flags, &agent.name);
        }
        out + "Ctrl-C stops it.\n"
    }

    fn table(&self, program: &str, flags: &str) -> Table {
        let columns = ["NAME", "MODEL", "STATUS", "CHAT"].map(|title| (title, Width::Natural));
        let mut table = Table::new(&columns);
        let agents = self.agents.iter().map(|a| {
            let chat = format!("{program} chat {}{flags}", a.name);
            [format!("agent/{}", a.name), a.llm.name.clone(), a.status.clone(), chat]
        });
        let llms = self.llms.iter().map(|l| {
            let chat = format!("{program} chat-llm {}{flags}", l.name);
            [format!("llm/{}", l.name), l.model.clone(), l.status.clone(), chat]
        });
        for row in agents.chain(llms).take(ROWS) {
            table.row(row.iter().map(String::as_str));
        }
        table
    }
}

/// How any program that speaks OpenAI's API chats with an agent.
fn other_programs(address: &str, program: &str, flags: &str, agent: &str) -> String {
    format!(
        "\nAny program that speaks OpenAI's API:\n  \
         export OPENAI_BASE_URL={address}/v1 OPENAI_API_KEY=$({program} auth token{flags})\n  \
         curl -s $OPENAI_BASE_URL/chat/completions -H \"Authorization: Bearer $OPENAI_API_KEY\" \\\n    \
         --json '{{\"model\": \"agent/{agent}\", \"messages\": [{{\"role\": \"user\", \"content\": \"hello\"}}]}}'\n  \
         Python: OpenAI().chat.completions.create(model=\"agent/{agent}\", messages=[…])\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_ends_with_commands_that_work() {
        let nothing = Callable::default().text("http://127.0.0.1:8420", "./target/release/mcpctl", "");
        assert!(
            nothing.contains("Nothing can be chatted with yet.")
                && nothing.contains("  ./target/release/mcpctl get agents\n")
        );
        let llm = serde_json::json!({"id": "1", "name": "echo", "type": "echo", "model": "echo", "url": null, "tier": null,
            "description": null, "poolName": null, "apiKeyRef": null, "extraConfig": null, "maxConcurrent": null,
            "labels": {}, "kind": "virtual", "status": "active", "disabled": false, "connected": true,
            "lastHeartbeatAt": null, "inactiveSince": null, "ownerId": "u", "version": 1, "createdAt": "t", "updatedAt": "t"});
        let llms = vec![serde_json::from_str(&llm.to_string()).unwrap()];
        let shown = Callable { agents: vec![], llms }.text(
            "http://127.0.0.1:9000",
            "mcpctl",
            " --server http://127.0.0.1:9000",
        );
        let line = "llm/echo  echo   active  mcpctl chat-llm echo --server http://127.0.0.1:9000";
        assert!(shown.contains(line), "{shown}");
        assert!(shown.ends_with("Ctrl-C stops it.\n"));
    }
}
