//! The tables of agents, Llms, sessions, tasks and threads.

use crate::output::table::{Table, Width};
use crate::output::times::Times;
use mcpctl_events::wire::chat::Thread;
use mcpctl_events::wire::rows::{Agent, Llm};
use mcpctl_events::wire::selector;
use mcpctl_events::wire::sessions::{QueuedCall, Session};
use mcpctl_events::wire::tasks::InferenceTask;
use std::collections::BTreeMap;

/// Agents; `wide` says more of each.
pub fn agents(rows: &[Agent], wide: bool) -> Table {
    let narrow = [
        ("NAME", Width::Natural),
        ("KIND", Width::AtLeast(8)),
        ("STATUS", Width::AtLeast(10)),
        ("LLM", Width::Exact(24)),
        ("PROJECT", Width::Exact(20)),
        ("DESCRIPTION", Width::Exact(50)),
    ];
    let more = [
        ("CONNECTED", Width::Natural),
        ("DISABLED", Width::Natural),
        ("VERSION", Width::Natural),
        ("LABELS", Width::Natural),
        ("ID", Width::Natural),
    ];
    let columns: Vec<_> = narrow.into_iter().chain(more.into_iter().filter(|_| wide)).collect();
    let mut table = Table::new(&columns);
    for a in rows {
        let project = a.project.as_ref().map_or("", |p| &p.name);
        let description = a.description.as_deref().unwrap_or_default();
        let status = status(&a.status, a.disabled && !wide);
        let cells = [&a.name, &a.kind, status, &a.llm.name, project, description];
        let version = a.version.to_string();
        let labels = labels(&a.labels);
        let more = [yes_no(a.connected), yes_no(a.disabled), &version, &labels, &a.id];
        table.row(cells.into_iter().chain(more.into_iter().filter(|_| wide)));
    }
    table
}

/// Llms; `wide` says more of each.
pub fn llms(rows: &[Llm], wide: bool) -> Table {
    let narrow = [
        ("NAME", Width::Natural),
        ("POOL", Width::AtMost(24)),
        ("KIND", Width::AtLeast(8)),
        ("STATUS", Width::AtLeast(10)),
        ("TYPE", Width::AtMost(16)),
        ("MODEL", Width::AtMost(40)),
        ("TIER", Width::AtMost(16)),
        ("ID", if wide { Width::Natural } else { Width::Spare }),
    ];
    let more = [
        ("CONNECTED", Width::Natural),
        ("DISABLED", Width::Natural),
        ("VERSION", Width::Natural),
        ("LABELS", Width::Natural),
        ("URL", Width::Natural),
        ("DESCRIPTION", Width::Natural),
    ];
    let columns: Vec<_> = narrow.into_iter().chain(more.into_iter().filter(|_| wide)).collect();
    let mut table = Table::new(&columns);
    for l in rows {
        let [pool, tier, url, description] =
            [&l.pool_name, &l.tier, &l.url, &l.description].map(|o| o.as_deref().unwrap_or_default());
        let status = status(&l.status, l.disabled && !wide);
        let cells = [l.name.as_str(), pool, &l.kind, status, &l.type_, &l.model, tier, &l.id];
        let version = l.version.to_string();
        let labels = labels(&l.labels);
        let more = [yes_no(l.connected), yes_no(l.disabled), &version, &labels, url, description];
        table.row(cells.into_iter().chain(more.into_iter().filter(|_| wide)));
    }
    table
}

/// As a selector picks them.
fn labels(labels: &BTreeMap<String, String>) -> String {
    selector::write(labels)
}

/// Publishers; `wide` says what they are busy with.
pub fn sessions(rows: &[Session], wide: bool, times: Times) -> Table {
    let narrow = [
        ("ID", Width::Natural),
        ("USER", Width::AtMost(24)),
        ("CONNECTED", Width::Natural),
        ("LLMS", Width::Natural),
        ("AGENTS", Width::Natural),
        ("LAST HEARTBEAT", Width::Natural),
    ];
    let more = [
        ("OPEN", Width::Natural),
        ("QUEUED", Width::Natural),
        ("POSITION: WAIT", Width::AtMost(60)),
        ("EPOCH", Width::Natural),
        ("TRANSPORT", Width::Natural),
        ("NODE", Width::Natural),
    ];
    let columns: Vec<_> = narrow.into_iter().chain(more.into_iter().filter(|_| wide)).collect();
    let mut table = Table::new(&columns);
    for s in rows {
        let [llms, agents] = [&s.llms, &s.agents].map(|names| names.len().to_string());
        let [user, heard, transport, node] =
            [&s.user, &s.last_heartbeat_at, &s.transport, &s.node].map(|o| o.as_deref().unwrap_or_default());
        let heard = times.shown(heard);
        let cells = [s.id.as_str(), user, yes_no(s.connected), &llms, &agents, &heard];
        let [open, queued, epoch] = [s.open_calls, s.queued_calls, s.epoch].map(|count| count.to_string());
        let line = |call: &QueuedCall| format!("{}: {}", call.position, seconds(call.waited_ms));
        let wait = s.queue.iter().map(line).collect::<Vec<_>>().join(", ");
        let more = [open.as_str(), &queued, &wait, &epoch, transport, node];
        table.row(cells.into_iter().chain(more.into_iter().filter(|_| wide)));
    }
    table
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// Calls that are answered later; `wide` says how they went.
pub fn tasks(rows: &[InferenceTask], wide: bool, times: Times) -> Table {
    let narrow = [
        ("ID", Width::Natural),
        ("STATUS", Width::AtLeast(9)),
        ("LLM", Width::AtMost(40)),
        ("CREATED", Width::Natural),
        ("FINISHED", Width::Natural),
    ];
    let more = [
        ("POOL", Width::AtMost(24)),
        ("ANSWERED BY", Width::AtMost(40)),
        ("ATTEMPTS", Width::Natural),
        ("PATH", Width::Natural),
        ("ERROR", Width::AtMost(80)),
    ];
    let columns: Vec<_> = narrow.into_iter().chain(more.into_iter().filter(|_| wide)).collect();
    let mut table = Table::new(&columns);
    for t in rows {
        let [llm, pool, by, error, finished] =
            [&t.llm, &t.pool, &t.answered_by, &t.error, &t.finished_at].map(|o| o.as_deref().unwrap_or_default());
        let [created, finished] = [&t.created_at, finished].map(|time| times.shown(time));
        let cells = [t.id.as_str(), &t.status, if llm.is_empty() { pool } else { llm }, &created, &finished];
        let attempts = t.attempts.to_string();
        let more = [pool, by, &attempts, &t.path, error];
        table.row(cells.into_iter().chain(more.into_iter().filter(|_| wide)));
    }
    table
}

/// Threads of one agent.
pub fn threads(rows: &[Thread], times: Times) -> Table {
    let columns = [
        ("ID", Width::Natural),
        ("TITLE", Width::AtMost(50)),
        ("CREATED", Width::Natural),
        ("LAST TURN", Width::Natural),
    ];
    let mut table = Table::new(&columns);
    for t in rows {
        let [created, last] = [&t.created_at, &t.last_turn_at].map(|time| times.shown(time));
        table.row([t.id.as_str(), &t.title, &created, &last]);
    }
    table
}

/// A row that is paused by hand does not look as if it could be called, where no other column says so.
fn status(status: &str, disabled: bool) -> &str {
    if disabled { "disabled" } else { status }
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, description: &str) -> Agent {
        let row = serde_json::json!({
            "id": "1", "name": name, "description": description, "systemPrompt": null, "llm": {"id": null, "name": "vllm-local"},
            "project": null, "defaultPersonality": null, "proxyModelName": null, "defaultParams": null, "extras": null,
            "labels": {}, "kind": "virtual", "status": "active", "disabled": false, "connected": true,
            "lastHeartbeatAt": null, "inactiveSince": null, "ownerId": "u", "version": 1,
            "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z"});
        serde_json::from_str(&row.to_string()).unwrap()
    }

    #[test]
    fn agents_have_the_fixed_columns() {
        let rows = [agent("local-coder", ""), agent("reviewer", &"x".repeat(60))];
        let shown = agents(&rows, false).render(false, false);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[0],
            "NAME         KIND      STATUS      LLM                       PROJECT               DESCRIPTION"
        );
        assert_eq!(lines[1], "local-coder  virtual   active      vllm-local                -                     -");
        assert!(lines[2].ends_with(&format!("  {}…", "x".repeat(49))), "{}", lines[2]);
    }

    #[test]
    fn one_that_is_paused_does_not_look_as_if_it_could_be_called() {
        let paused = [Agent { disabled: true, ..agent("a", "") }];
        assert!(agents(&paused, false).render(false, false).contains("  disabled  "));
        let wide = agents(&paused, true).render(true, false);
        assert!(wide.contains("  active  ") && wide.contains("DISABLED"), "{wide}");
    }

    #[test]
    fn a_stranger_cannot_steer_the_terminal_or_break_the_line() {
        let rows = [agent("a", "evil \u{1b}[31mred\u{7} \u{202e}text\nlocal-coder public active")];
        let shown = agents(&rows, true).render(true, false);
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    }
}
