//! `chat` and `chat-llm`: one message or a conversation, with an agent or with a model itself.

mod agent;
mod known;
mod later;
mod llm;
pub mod options;
mod reasoning;
mod render;
mod repl;
mod save;
#[cfg(test)]
mod tests;

use crate::exit::{Stuck, Usage};
use crate::output::Format;
use crate::shell::Shell;
use agent::AgentChat;
use llm::LlmChat;
use options::{AgentOptions, LlmOptions, Settings};
use render::Renderer;
use std::io::{IsTerminal, Read, Write};

/// What is talked to. Keeps what a conversation needs from one turn to the next.
enum Partner {
    Agent(AgentChat),
    Llm(LlmChat),
}

/// Chats with an agent.
pub async fn agent(shell: &Shell, options: AgentOptions) -> anyhow::Result<()> {
    let json = shell.format(&[Format::Table, Format::Json], "chat")? == Format::Json;
    let message = message(options.common.message.as_deref(), json)?;
    let stream = !options.common.no_stream;
    let chat = AgentChat::new(shell.client()?, options)?;
    converse(shell, Partner::Agent(chat), message, stream, json).await
}

/// Talks to an Llm or a pool.
pub async fn llm(shell: &Shell, options: LlmOptions) -> anyhow::Result<()> {
    let json = shell.format(&[Format::Table, Format::Json], "chat-llm")? == Format::Json;
    let message = message(options.common.message.as_deref(), json)?;
    let (stream, later) = (!options.common.no_stream, options.later);
    let chat = LlmChat::new(shell.client()?, options)?;
    if let Some(message) = message.as_deref().filter(|_| later) {
        return later::leave(shell, &chat, message, json).await;
    }
    converse(shell, Partner::Llm(chat), message, stream, json).await
}

async fn converse(
    shell: &Shell,
    mut partner: Partner,
    message: Option<String>,
    stream: bool,
    json: bool,
) -> anyhow::Result<()> {
    match message {
        Some(message) if json => {
            let answer = partner.ask(&message).await?;
            shell.answer_json(&answer)
        }
        Some(message) => partner.say(&message, stream, Renderer::stdio(shell.screen)).await,
        None => {
            // Whoever says nothing finds out, too.
            if !std::io::stdin().is_terminal() {
                partner.check().await?;
            }
            repl::run(shell.screen, partner, stream).await
        }
    }
}

/// The one message of `-m`, if there is one.
fn message(flag: Option<&str>, json: bool) -> anyhow::Result<Option<String>> {
    let message = match flag {
        None if json => return Err(Usage("`-o json` needs a message: -m TEXT, or -m - for stdin".to_owned()).into()),
        None => return Ok(None),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map_err(|e| {
                Stuck::new(
                    format!("cannot read the message from stdin: {e}"),
                    "send UTF-8 text, or give it with -m TEXT",
                )
            })?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        Some(text) => text.to_owned(),
    };
    if message.trim().is_empty() {
        return Err(Usage("the message is empty".to_owned()).into());
    }
    Ok(Some(message))
}

impl Partner {
    /// Says something and shows the reply.
    async fn say(
        &mut self,
        message: &str,
        stream: bool,
        mut renderer: Renderer<impl Write, impl Write>,
    ) -> anyhow::Result<()> {
        let said = match self {
            Partner::Agent(chat) => chat.say(message, stream, &mut renderer).await,
            Partner::Llm(chat) => chat.say(message, stream, &mut renderer).await,
        };
        match said {
            Ok(()) => Ok(renderer.finish(self.thread())?),
            Err(error) => {
                // What was shown stays; the message about the failure starts on a line of its own.
                renderer.abandon()?;
                Err(self.explained(error).await)
            }
        }
    }

    /// Says something and returns the server's answer as JSON text.
    async fn ask(&mut self, message: &str) -> anyhow::Result<String> {
        let answer = match self {
            Partner::Agent(chat) => chat.ask(message).await,
            Partner::Llm(chat) => chat.ask(message).await,
        };
        match answer {
            Err(error) => Err(self.explained(error).await),
            answer => answer,
        }
    }

    fn thread(&self) -> Option<&str> {
        match self {
            Partner::Agent(chat) => chat.thread.as_deref(),
            Partner::Llm(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Partner::Agent(chat) => &chat.name,
            Partner::Llm(chat) => &chat.name,
        }
    }

    fn settings(&mut self) -> &mut Settings {
        match self {
            Partner::Agent(chat) => &mut chat.settings,
            Partner::Llm(chat) => &mut chat.settings,
        }
    }

    /// Forgets what was said: the next message begins anew.
    fn clear(&mut self) {
        match self {
            Partner::Agent(chat) => chat.thread = None,
            Partner::Llm(chat) => chat.history.clear(),
        }
    }
}

/// Whether the answer streams; a model server may ignore the wish for a stream.
fn is_stream(response: &reqwest::Response) -> bool {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|k| k.starts_with("text/event-stream"))
}
