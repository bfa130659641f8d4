//! Whether there is somebody to talk to, and who was meant if there is not.

use super::Partner;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::exit::Stuck;
use crate::output::clean;
use reqwest::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
struct Owned {
    agent: String,
}

impl Partner {
    /// Fails if there is no such agent, thread or personality. What is talked to as a model may also be a pool, which only a call finds
    /// out.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let Partner::Agent(chat) = self else { return Ok(()) };
        if let Err(error) = chat.client.get(&Route::api(["agents", &chat.name])).await {
            return Err(self.explained(error).await);
        }
        if let Some(thread) = &chat.thread {
            chat.client.get(&Route::api(["threads", thread])).await?;
        }
        if let Some(personality) = chat.personality() {
            let found = chat.client.get(&Route::api(["personalities", personality])).await?;
            let found: Owned = found.read()?;
            if found.agent != chat.name {
                let list = format!("`mcpctl get personalities --agent {}` lists what there is", chat.name);
                let of = clean::line(&found.agent);
                return Err(Stuck::new(format!("personality '{personality}' is of agent '{of}'"), list).into());
            }
        }
        Ok(())
    }

    /// Where an agent was taken for a model, or the other way round, says so.
    pub(super) async fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let (client, name, other, what, command) = match self {
            Partner::Agent(chat) => (&chat.client, &chat.name, "llms", "an Llm and no agent", "chat-llm"),
            Partner::Llm(chat) => (&chat.client, &chat.name, "agents", "an agent and no Llm", "chat"),
        };
        let title = if other == "llms" { "Agent" } else { "Llm" };
        let unknown = error.downcast_ref::<Failure>().is_some_and(|failure| match failure {
            Failure::Refused(refusal) => {
                refusal.status == StatusCode::NOT_FOUND && refusal.body.error.starts_with(&format!("{title} not found"))
            }
            _ => false,
        });
        if unknown && client.get(&Route::api([other, name])).await.is_ok() {
            return Stuck::new(format!("'{name}' is {what}"), format!("`mcpctl {command} {name}` talks to it")).into();
        }
        error
    }
}
