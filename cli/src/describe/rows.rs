//! Agents and Llms seen whole.

use super::{Seen, origin};
use crate::client::route::Route;
use crate::client::{Answer, Client};
use crate::output::document::Document;
use crate::output::sheet::Sheet;
use crate::output::times::Times;
use crate::output::{Screen, clean, json, lines_of};
use mcpctl_events::wire::rows::{Agent, Llm, Pool};
use std::collections::BTreeMap;

/// What agents and Llms have in common.
struct Row<'a> {
    status: &'a str,
    disabled: bool,
    connected: bool,
    kind: &'a str,
    inactive_since: Option<&'a str>,
}

/// An agent, and the Llm that it is pinned to.
pub async fn agent(client: &Client, answer: &Answer, screen: Screen) -> anyhow::Result<Seen> {
    let agent: Agent = answer.read()?;
    let model = pinned_to(client, &agent).await;
    Ok(Seen { text: agent_sheet(&agent, &model, screen), name: agent.name })
}

/// An Llm, the agents that are pinned to it, and the others of its pool.
pub async fn llm(client: &Client, answer: &Answer, screen: Screen) -> anyhow::Result<Seen> {
    let llm: Llm = answer.read()?;
    let agents: Vec<Agent> = client.get(&Route::api(["agents"]).with("llm", Some(&llm.name))).await?.read()?;
    let mut text = llm_sheet(&llm, &agents, screen);
    if llm.pool_name.is_some() {
        let pool: Pool = client.get(&Route::api(["llms", &llm.name, "members"])).await?.read()?;
        text += &members(&pool, &llm);
    }
    Ok(Seen { text, name: llm.name })
}

fn agent_sheet(agent: &Agent, model: &str, screen: Screen) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Name", &agent.name);
    sheet.optional("Description", agent.description.as_ref());
    let row = Row {
        status: &agent.status,
        disabled: agent.disabled,
        connected: agent.connected,
        kind: &agent.kind,
        inactive_since: agent.inactive_since.as_deref(),
    };
    row.lines(&mut sheet, agent.last_heartbeat_at.as_deref(), screen.times(false));
    sheet.line("Llm", model);
    sheet.line("Project", agent.project.as_ref().map_or("", |p| &p.name));
    sheet.optional("Personality", agent.default_personality.as_ref());
    sheet.optional("Proxy model", agent.proxy_model_name.as_ref());
    sheet.optional("System prompt", agent.system_prompt.as_ref().filter(|s| !s.is_empty()));
    sheet.optional("Default params", agent.default_params.as_ref().and_then(|r| object(r.get())));
    sheet.optional("Extras", agent.extras.as_ref().and_then(|r| object(r.get())));
    sheet.optional("Labels", labels(&agent.labels));
    origin(
        &mut sheet,
        screen.times(false),
        [&agent.owner_id, &agent.id, &agent.created_at, &agent.updated_at],
        agent.version,
    );
    sheet.render_within(screen.width(false))
}

fn llm_sheet(llm: &Llm, agents: &[Agent], screen: Screen) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Name", &llm.name);
    sheet.optional("Description", llm.description.as_ref());
    let row = Row {
        status: &llm.status,
        disabled: llm.disabled,
        connected: llm.connected,
        kind: &llm.kind,
        inactive_since: llm.inactive_since.as_deref(),
    };
    row.lines(&mut sheet, llm.last_heartbeat_at.as_deref(), screen.times(false));
    sheet.line("Type", &llm.type_);
    sheet.line("Model", &llm.model);
    sheet.optional("URL", llm.url.as_ref());
    let key = llm.api_key_ref.as_ref();
    sheet.optional(
        "API key",
        key.and_then(|k| k.env.as_ref()).map(|e| format!("environment variable {e} of the server")),
    );
    sheet.optional("API key", key.and_then(|k| k.file.as_ref()).map(|f| format!("file {f} on the server")));
    sheet.optional("Tier", llm.tier.as_ref());
    sheet.optional("Pool", llm.pool_name.as_ref());
    sheet.optional("Concurrency", llm.max_concurrent.map(|n| format!("{n} calls at once")));
    sheet.optional("Extra config", llm.extra_config.as_ref().and_then(|r| object(r.get())));
    sheet.optional("Labels", labels(&llm.labels));
    let pinned: Vec<_> = agents.iter().map(|a| format!("{} ({})", a.name, a.status)).collect();
    sheet.line("Agents", pinned.join(", "));
    origin(&mut sheet, screen.times(false), [&llm.owner_id, &llm.id, &llm.created_at, &llm.updated_at], llm.version);
    sheet.render_within(screen.width(false))
}

impl Row<'_> {
    fn lines(&self, sheet: &mut Sheet, last_heartbeat: Option<&str>, times: Times) {
        let published = self.kind == "virtual";
        let how = match (published, self.connected) {
            (true, true) => "virtual (published, and its publisher is connected)",
            (true, false) => "virtual (its publisher is not connected, or does not offer it now)",
            (false, _) => "public",
        };
        sheet.line("Kind", how);
        let since = self.inactive_since.map(|s| format!(" since {s}")).unwrap_or_default();
        let paused = if self.disabled { ", disabled by hand" } else { "" };
        sheet.line("Status", format!("{}{since}{paused}", self.status));
        sheet.optional("Last heartbeat", last_heartbeat.map(|time| times.told(time)));
    }
}

fn object(text: &str) -> Option<String> {
    Document::parse(text).ok().filter(|d| !d.is_empty()).map(|d| json::compact(&d))
}

fn labels(labels: &BTreeMap<String, String>) -> Option<String> {
    let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    (!pairs.is_empty()).then(|| pairs.join(", "))
}

/// The members of an Llm's pool, each with how it is.
fn members(pool: &Pool, llm: &Llm) -> String {
    let name = clean::line(&pool.pool_name);
    let head = format!("Pool {name}: {} members, {} active", pool.size, pool.active_count);
    let widest = pool.members.iter().map(|member| member.name.len()).max().unwrap_or_default();
    let line = |member: &Llm| {
        let connected = if member.connected { "connected" } else { "not connected" };
        let disabled = if member.disabled { ", disabled" } else { "" };
        let this = if member.id == llm.id { "  ← this row" } else { "" };
        let name = clean::line(&member.name);
        format!("  {name:widest$}  {}, {}, {connected}{disabled}{this}", member.kind, member.status)
    };
    lines_of(std::iter::once(head).chain(pool.members.iter().map(line)))
}

/// The agent's Llm and how it is; a pool, or what cannot be read, is named alone.
async fn pinned_to(client: &Client, agent: &Agent) -> String {
    let name = clean::line(&agent.llm.name).into_owned();
    if agent.llm.id.is_none() {
        return format!("{name} (a pool)");
    }
    let row = client.get(&Route::api(["llms", &agent.llm.name])).await;
    match row.and_then(|answer| Ok(answer.read::<Llm>()?)) {
        Ok(llm) => {
            let connected = if llm.connected { "connected" } else { "not connected" };
            let disabled = if llm.disabled { ", disabled" } else { "" };
            format!("{name} ({}, {}, {connected}{disabled})", llm.model, llm.status)
        }
        Err(_) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_a_pool_are_shown_with_this_row_among_them() {
        let llm = |id: &str, name: &str| -> Llm {
            let row = serde_json::json!({"id": id, "name": name, "type": "openai", "model": "m", "url": null, "tier": null,
                "description": null, "poolName": "qwen", "apiKeyRef": null, "extraConfig": null, "maxConcurrent": null,
                "labels": {}, "kind": "virtual", "status": "active", "disabled": false, "connected": id == "1",
                "lastHeartbeatAt": null, "inactiveSince": null, "ownerId": "u", "version": 1, "createdAt": "T0",
                "updatedAt": "T0"});
            serde_json::from_str(&row.to_string()).unwrap()
        };
        let members = vec![llm("1", "one"), llm("2", "second")];
        let pool = Pool { pool_name: "qwen".to_owned(), explicit: true, size: 2, active_count: 2, members };
        assert_eq!(
            super::members(&pool, &llm("2", "second")),
            "Pool qwen: 2 members, 2 active\n  one     virtual, active, connected\n  \
             second  virtual, active, not connected  ← this row\n"
        );
    }

    #[test]
    fn a_sheet_says_since_when_and_why_not() {
        let llm: Llm = serde_json::from_str(
            r#"{"id":"1","name":"l","type":"openai","model":"m","url":null,"tier":"fast","description":null,
            "poolName":null,"apiKeyRef":null,"extraConfig":{},"maxConcurrent":null,"labels":{"gpu":"a100"},
            "kind":"virtual","status":"inactive","disabled":true,"connected":false,"lastHeartbeatAt":"T1",
            "inactiveSince":"T2","ownerId":"u","version":2,"createdAt":"T0","updatedAt":"T1"}"#,
        )
        .unwrap();
        let plain = Screen { colour_out: false, colour_err: false, terminal_out: false, quiet: false };
        let shown = llm_sheet(&llm, &[], plain);
        assert!(shown.contains("Status:         inactive since T2, disabled by hand\n"), "{shown}");
        assert!(
            shown.contains("Kind:           virtual (its publisher is not connected, or does not offer it now)\n"),
            "{shown}"
        );
        assert!(shown.contains("Labels:         gpu=a100\n") && shown.contains("Agents:         -\n"), "{shown}");
        assert!(!shown.contains("Extra config"), "{shown}");
    }
}
