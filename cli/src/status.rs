//! `status`: whether the server is up, ready, and what it has.

use crate::client::route::Route;
use crate::client::{Client, failure::Failure};
use crate::credentials;
use crate::exit::Stuck;
use crate::output::document::Document;
use crate::output::sheet::Sheet;
use crate::output::{Format, Screen, json, yaml};
use crate::shell::Shell;
use mcpctl_events::wire::status::Status;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is known of the server.
struct Report {
    server: String,
    /// Why it is not ready, if it is not.
    unready: Option<String>,
    /// What it says of itself; none where that was not asked for: it takes a token.
    status: Option<Status>,
    sequence: Option<u64>,
    /// By status; none where that was not asked for.
    agents: Option<BTreeMap<String, u64>>,
    llms: Option<BTreeMap<String, u64>>,
}

/// What a server says of itself and of the others.
fn of_itself(status: &Status, sheet: &mut Sheet) {
    sheet.line("Version", &status.version);
    let log = &status.log;
    let head = log.head.as_ref().map(|head| format!(", head {}…", head.chars().take(12).collect::<String>()));
    sheet.line("Log", format!("{}, sequence {}{}", log.backend, log.sequence, head.unwrap_or_default()));
    let leader = status.leader.as_ref().map(|leader| format!("{leader} (term {})", log.term));
    sheet.line("Leader", leader.unwrap_or_else(|| "nobody: writes are refused until there is one".to_owned()));
    if status.replicas.len() > 1 {
        sheet.line("Servers", format!("{}: {}", status.replicas.len(), status.replicas.join(", ")));
    }
    let tables = match log.sequence.saturating_sub(status.tables_sequence) {
        0 => "up to date".to_owned(),
        behind => format!("at sequence {}, {behind} events behind", status.tables_sequence),
    };
    sheet.line("Tables", tables);
    sheet.line("Publishers", format!("{} ({} connected)", status.sessions, status.connected_sessions));
    sheet.line("Calls", format!("{} under way, {} waiting", status.open_calls, status.queued_calls));
}

/// The one member of a row that is counted.
#[derive(Deserialize)]
struct Row {
    status: String,
}

/// Reports on the server; one that is not ready is a failure.
pub async fn run(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json, Format::Yaml], "status")?;
    let (target, has_token) = credentials::resolve_open(&shell.context()?, shell.server(), shell.token())?;
    let report = look(&Client::new(target, shell.trace())?, has_token).await?;
    if !has_token {
        shell.screen.note("no token: what is registered there is not counted; give --token, or run `mcpctl login`");
    }
    let text = match format {
        Format::Json => {
            shell.answer_json(&json::compact(&report.document()))?;
            String::new()
        }
        Format::Yaml => yaml::write(&report.document()),
        _ => report.sheet(shell.screen),
    };
    crate::output::answer(&text)?;
    match report.unready {
        None => Ok(()),
        Some(reason) => {
            let problem = format!("the server at {} is not ready: {reason}", report.server);
            Err(Stuck::new(problem, "give it a moment; its log says what it waits for").into())
        }
    }
}

async fn look(client: &Client, counts: bool) -> anyhow::Result<Report> {
    client.get(&Route::root(["healthz"])).await?;
    let unready = match client.get(&Route::root(["readyz"])).await {
        Ok(_) => None,
        Err(error) => match error.downcast::<Failure>()? {
            Failure::Refused(refusal) => Some(refusal.body.error),
            other => return Err(other.into()),
        },
    };
    let server = client.address().to_owned();
    let mut report = Report { server, unready, status: None, sequence: None, agents: None, llms: None };
    if counts {
        report.status = status(client).await?;
    }
    if report.unready.is_none() && counts {
        let answer = client.get(&Route::api(["agents"])).await?;
        report.sequence = answer.sequence;
        report.agents = Some(count(answer.read()?));
        report.llms = Some(count(client.get(&Route::api(["llms"])).await?.read()?));
    }
    Ok(report)
}

/// What the server says of itself, where it knows how to.
async fn status(client: &Client) -> anyhow::Result<Option<Status>> {
    match client.get(&Route::api(["status"])).await {
        Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_not_found) => Ok(None),
        answer => Ok(Some(answer?.read()?)),
    }
}

fn count(rows: Vec<Row>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.status).or_default() += 1;
    }
    counts
}

impl Report {
    fn sheet(&self, screen: Screen) -> String {
        let mut sheet = Sheet::default();
        sheet.line("Server", &self.server);
        sheet.line("Reachable", "yes");
        sheet.line("Ready", self.unready.as_ref().map_or_else(|| "yes".to_owned(), |r| format!("no: {r}")));
        if let Some(status) = &self.status {
            of_itself(status, &mut sheet);
        }
        sheet.optional("Agents", self.agents.as_ref().map(in_words));
        sheet.optional("Llms", self.llms.as_ref().map(in_words));
        sheet.render_within(screen.width(false))
    }

    fn document(&self) -> Document {
        let token = |t: Option<String>| Document::Token(t.unwrap_or_else(|| "null".to_owned()));
        let counts = |counts: &Option<BTreeMap<String, u64>>| match counts {
            None => token(None),
            Some(counts) => {
                Document::Map(counts.iter().map(|(k, n)| (k.clone(), Document::Token(n.to_string()))).collect())
            }
        };
        let status = self.status.as_ref().and_then(|status| serde_json::to_string(status).ok());
        let status = status.and_then(|json| Document::parse(&json).ok());
        let reason = self.unready.as_ref().map_or_else(|| token(None), Document::text);
        let members = [
            ("server", Document::text(&self.server)),
            ("ready", token(Some(self.unready.is_none().to_string()))),
            ("reason", reason),
            ("sequence", token(self.sequence.map(|s| s.to_string()))),
            ("status", status.unwrap_or_else(|| token(None))),
            ("agents", counts(&self.agents)),
            ("llms", counts(&self.llms)),
        ];
        Document::Map(members.map(|(k, v)| (k.to_owned(), v)).into())
    }
}

fn in_words(counts: &BTreeMap<String, u64>) -> String {
    let total: u64 = counts.values().sum();
    let parts: Vec<_> = counts.iter().map(|(status, n)| format!("{n} {status}")).collect();
    if parts.is_empty() { "0".to_owned() } else { format!("{total} ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_by_status() {
        let row = |s: &str| Row { status: s.to_owned() };
        assert_eq!(in_words(&count(vec![row("active"), row("inactive"), row("active")])), "3 (2 active, 1 inactive)");
        assert_eq!(in_words(&count(vec![])), "0");
    }
}
