//! `/save`: what was said, into a file.

use super::Partner;
use crate::client::route::Route;
use crate::exit::Stuck;
use mcpctl_events::wire::chat::Message;
use std::fs::OpenOptions;
use std::io::Write;

impl Partner {
    /// Writes the conversation into a new file, as Markdown; returns how many messages that are.
    pub(super) async fn save(&self, file: &str) -> anyhow::Result<usize> {
        let said = self.said().await?;
        let said_by = |(who, text): &(String, String)| format!("## {who}\n\n{}\n\n", text.trim_end());
        let text = said.iter().map(said_by).collect::<Vec<_>>().concat();
        let way_out = "choose a file that is not there yet, in a folder that is yours";
        let stuck = |error: std::io::Error| Stuck::new(format!("cannot write {file}: {error}"), way_out);
        let mut open = OpenOptions::new();
        open.write(true).create_new(true);
        // What is said to a model is nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        open.open(file).and_then(|mut file| file.write_all(text.as_bytes())).map_err(stuck)?;
        Ok(said.len())
    }

    /// Who said what. An agent's thread is with the server.
    async fn said(&self) -> anyhow::Result<Vec<(String, String)>> {
        match self {
            Partner::Llm(chat) => {
                let text = |member: &serde_json::Value| member.as_str().unwrap_or_default().to_owned();
                Ok(chat.history.iter().map(|said| (text(&said["role"]), text(&said["content"]))).collect())
            }
            Partner::Agent(chat) => {
                let Some(thread) = &chat.thread else { return Ok(Vec::new()) };
                let messages = chat.client.get(&Route::api(["threads", thread, "messages"])).await?;
                let messages: Vec<Message> = messages.read()?;
                Ok(messages.into_iter().filter_map(|said| Some((said.role, said.content?))).collect())
            }
        }
    }
}
