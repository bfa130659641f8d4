//! The tables of projects, personalities and prompts.

use crate::output::table::{Table, Width};
use mcpctl_events::wire::documents::{Personality, Project, Prompt};

/// How wide a description may be.
const TEXT: Width = Width::AtMost(50);
/// What every document has besides.
const MORE: [(&str, Width); 2] = [("VERSION", Width::Natural), ("ID", Width::Natural)];

/// Projects; `wide` says more of each.
pub fn projects(rows: &[Project], wide: bool) -> Table {
    let mut table = table([("NAME", Width::Natural), ("MCP SERVERS", Width::AtMost(40)), ("DESCRIPTION", TEXT)], wide);
    for p in rows {
        let servers: Vec<_> = p.mcp_servers.iter().map(|server| server.name.as_str()).collect();
        row(&mut table, [&p.name, &servers.join(","), text(p.description.as_ref())], p.version, &p.id, wide);
    }
    table
}

/// Personalities; `wide` says more of each.
pub fn personalities(rows: &[Personality], wide: bool) -> Table {
    let mut table = table([("NAME", Width::Natural), ("AGENT", Width::AtMost(40)), ("DESCRIPTION", TEXT)], wide);
    for p in rows {
        row(&mut table, [&p.name, &p.agent, text(p.description.as_ref())], p.version, &p.id, wide);
    }
    table
}

/// Prompts; `wide` says more of each.
pub fn prompts(rows: &[Prompt], wide: bool) -> Table {
    let columns =
        [("NAME", Width::Natural), ("OF", Width::AtMost(40)), ("PRIORITY", Width::Natural), ("CONTENT", TEXT)];
    let mut table = table(columns, wide);
    for p in rows {
        let owners = [("agent", &p.agent), ("project", &p.project), ("personality", &p.personality)];
        let owner = owners.iter().find_map(|(kind, name)| Some(format!("{kind}/{}", name.as_ref()?)));
        let priority = p.priority.to_string();
        row(&mut table, [&p.name, owner.as_deref().unwrap_or_default(), &priority, &p.content], p.version, &p.id, wide);
    }
    table
}

fn table<const N: usize>(columns: [(&'static str, Width); N], wide: bool) -> Table {
    Table::new(&columns.into_iter().chain(MORE.into_iter().filter(|_| wide)).collect::<Vec<_>>())
}

fn row<const N: usize>(table: &mut Table, cells: [&str; N], version: u64, id: &str, wide: bool) {
    let version = version.to_string();
    table.row(cells.into_iter().chain([version.as_str(), id].into_iter().filter(|_| wide)));
}

fn text(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_says_whose_it_is() {
        let prompt: Prompt = serde_json::from_str(
            r#"{"id":"1","name":"p","content":"Be brief.\nThen stop.","priority":-3,"agent":null,"project":"apollo",
            "personality":null,"ownerId":"u","version":2,"createdAt":"T","updatedAt":"T"}"#,
        )
        .unwrap();
        assert_eq!(
            prompts(&[prompt], true).render(true, false),
            "NAME  OF              PRIORITY  CONTENT               VERSION  ID\np     project/apollo  -3        Be brief. Then stop.  2        1\n"
        );
    }
}
