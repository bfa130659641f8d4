//! Projects, personalities and prompts seen whole: with what they belong to, and what belongs to them.

use super::{Seen, origin};
use crate::client::route::Route;
use crate::client::{Answer, Client};
use crate::output::Screen;
use crate::output::sheet::Sheet;
use mcpctl_events::wire::documents::{McpServer, Personality, Project, Prompt};
use serde::Deserialize;

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A project, its tools, its prompts, and the agents in it.
pub async fn project(client: &Client, answer: &Answer, screen: Screen) -> anyhow::Result<Seen> {
    let project: Project = answer.read()?;
    let mut sheet = Sheet::default();
    sheet.line("Name", &project.name);
    sheet.optional("Description", project.description.as_ref());
    sheet.line("MCP servers", project.mcp_servers.iter().map(server).collect::<Vec<_>>().join(", "));
    sheet.line("Prompts", names(client, "prompts", "project", &project.name).await?);
    sheet.line("Agents", names(client, "agents", "project", &project.name).await?);
    origin(
        &mut sheet,
        screen.times(false),
        [&project.owner_id, &project.id, &project.created_at, &project.updated_at],
        project.version,
    );
    Ok(Seen { text: sheet.render_within(screen.width(false)), name: project.name })
}

/// A personality and its prompts.
pub async fn personality(client: &Client, answer: &Answer, screen: Screen) -> anyhow::Result<Seen> {
    let it: Personality = answer.read()?;
    let mut sheet = Sheet::default();
    sheet.line("Name", &it.name);
    sheet.optional("Description", it.description.as_ref());
    sheet.line("Agent", &it.agent);
    sheet.line("Prompts", names(client, "prompts", "personality", &it.name).await?);
    origin(&mut sheet, screen.times(false), [&it.owner_id, &it.id, &it.created_at, &it.updated_at], it.version);
    Ok(Seen { text: sheet.render_within(screen.width(false)), name: it.name })
}

/// A prompt, whole.
pub fn prompt(answer: &Answer, screen: Screen) -> anyhow::Result<Seen> {
    let prompt: Prompt = answer.read()?;
    let owners = [("agent", &prompt.agent), ("project", &prompt.project), ("personality", &prompt.personality)];
    let mut sheet = Sheet::default();
    sheet.line("Name", &prompt.name);
    sheet.line(
        "Of",
        owners.iter().find_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?))).unwrap_or_default(),
    );
    sheet.line("Priority", prompt.priority.to_string());
    sheet.line("Content", &prompt.content);
    origin(
        &mut sheet,
        screen.times(false),
        [&prompt.owner_id, &prompt.id, &prompt.created_at, &prompt.updated_at],
        prompt.version,
    );
    Ok(Seen { text: sheet.render_within(screen.width(false)), name: prompt.name })
}

/// A server by its name, and where it is.
fn server(server: &McpServer) -> String {
    let place = server.url.as_ref().or(server.command.as_ref());
    place.map_or_else(|| server.name.clone(), |place| format!("{} ({place})", server.name))
}

/// The names of what of a list belongs to something.
async fn names(client: &Client, list: &str, owner: &'static str, name: &str) -> anyhow::Result<String> {
    let rows: Vec<Named> = client.get(&Route::api([list]).with(owner, Some(name))).await?.read()?;
    Ok(rows.into_iter().map(|row| row.name).collect::<Vec<_>>().join(", "))
}
