//! `chat-llm --async`: the message is left as a task, whoever answers it, and whenever.

use super::llm::LlmChat;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::output::clean;
use crate::shell::Shell;
use mcpctl_events::wire::tasks::InferenceTask;
use reqwest::StatusCode;
use serde_json::json;

/// Leaves a task and prints its id, or all that is known of it.
pub async fn leave(shell: &Shell, chat: &LlmChat, message: &str, json: bool) -> anyhow::Result<()> {
    let request = chat.request(message, false);
    // What is no Llm may be a pool.
    let asked = match ask(chat, &json!({"llm": chat.name, "request": request})).await {
        Err(error) if is_missing(&error) => {
            ask(chat, &json!({"pool": chat.name, "request": request})).await.map_err(|_| error)
        }
        asked => asked,
    };
    let body = asked?;
    if json {
        return shell.answer_json(&body);
    }
    let task: InferenceTask = serde_json::from_str(&body).map_err(|e| Failure::Malformed { reason: e.to_string() })?;
    Ok(crate::output::answer(&format!("{}\n", clean::line(&task.id)))?)
}

async fn ask(chat: &LlmChat, body: &serde_json::Value) -> anyhow::Result<String> {
    let response = chat.client.call(&Route::api(["inference-tasks"]), body).await?;
    Ok(chat.client.rest(response).await?.body)
}

fn is_missing(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Failure>();
    refused.is_some_and(|failure| matches!(failure, Failure::Refused(it) if it.status == StatusCode::NOT_FOUND))
}
