//! `GET /metrics`, in Prometheus' text format.

use crate::app::App;
use axum::{extract::State, http::header::CONTENT_TYPE, response::IntoResponse};
use std::{fmt::Write, sync::Arc};

/// Shows the gauges that matter at 3 a.m.; each is read from its source, so none can drift.
#[utoipa::path(get, path = "/metrics", security(()), tag = "operations", responses((status = 200, description = "Prometheus text format")))]
pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let sequence = app.progress.borrow().sequence;
    let projected = *app.projected.borrow();
    let (term, llms, agents, sessions) = {
        let replica = app.replica();
        let state = &replica.state;
        (replica.admission.term, state.llms.len(), state.agents.len(), state.sessions.len())
    };
    let queue = app.places.waiting();
    let longest = u64::try_from(queue.longest().as_millis()).unwrap_or(u64::MAX);
    let leads = u64::from(app.writer.term().is_some());
    let unpublished =
        app.subscribers.as_ref().filter(|_| leads == 1).map_or(0, |it| sequence.saturating_sub(it.published()));
    let gauges: [(&str, &str, u64); 15] = [
        ("mcpctl_log_sequence", "last sequence of the log that was folded", sequence),
        ("mcpctl_log_term", "term of the log's writer", term),
        ("mcpctl_leader", "1 if this process writes the log", leads),
        (
            "mcpctl_unpublished_events",
            "events that are not on the topic for subscribers yet, if this process leads",
            unpublished,
        ),
        ("mcpctl_projected_sequence", "sequence that the read tables are at", projected),
        (
            "mcpctl_projection_lag_events",
            "events that the read tables do not hold yet",
            sequence.saturating_sub(projected),
        ),
        ("mcpctl_llms", "Llms in the registry", llms as u64),
        ("mcpctl_agents", "agents in the registry", agents as u64),
        ("mcpctl_sessions", "publisher sessions in the registry", sessions as u64),
        (
            "mcpctl_connections",
            "connections that are open",
            app.limits.connections.load(std::sync::atomic::Ordering::Relaxed) as u64,
        ),
        ("mcpctl_streams", "publisher streams bound to this process", app.relay.streams() as u64),
        ("mcpctl_open_calls", "relayed calls under way in this process", app.relay.open_tasks() as u64),
        ("mcpctl_queued_calls", "calls that wait for a busy model or pool", queue.length as u64),
        ("mcpctl_queue_longest_wait_milliseconds", "how long the first of them has waited", longest),
        ("mcpctl_waking_calls", "calls that wait for a model to wake", app.wakes.held() as u64),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    let name = "mcpctl_limit_refusals_total";
    let _ =
        writeln!(text, "# HELP {name} what was refused for the sake of a limit, by its flag\n# TYPE {name} counter");
    for (limit, count) in app.limits.refusals.counts() {
        let _ = writeln!(text, "{name}{{limit=\"{}\"}} {count}", limit.flag().trim_start_matches('-'));
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
