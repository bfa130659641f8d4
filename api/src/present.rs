//! Rows as the wire shows them.

use crate::app::App;
use mcpctl_events::{
    definition::{AgentDefinition, LlmDefinition},
    event::row::Kind,
    name::Name,
    state::{Agent, Connection, Llm, Row, State},
    time::LogTime,
    wire,
};
use mcpctl_projector::store::StoredRow;
use uuid::Uuid;

/// What the wire says of a row besides the row itself.
struct Overlay {
    connected: bool,
    last_heartbeat_at: Option<LogTime>,
}

/// Answers merge what the tables say of a row with its session's live lease.
fn live<D>(app: &App, stored: &StoredRow<D>) -> Overlay {
    let session = stored.row.session.as_ref();
    let lease = session.and_then(|session| app.leases.get(session)).map(|lease| lease.heard_at());
    // The log may be behind, for example while the disk is full.
    let connection = session.zip(stored.connection.as_ref());
    let holds = |(session, connection)| app.holds(session, connection);
    let connected = stored.row.kind == Kind::Public || connection.is_some_and(holds);
    Overlay { connected, last_heartbeat_at: stored.last_heartbeat_at().max(lease) }
}

/// What a write left is shown as the log has it, so that a repeat of the write is shown the same.
fn left<D>(app: &App, state: &State, row: &Row<D>) -> Overlay {
    let session = row.session.as_ref().and_then(|session| state.sessions.get(session));
    let connection = session.and_then(|session| session.connection.as_ref());
    Overlay { connected: is_connected(app, row, connection), last_heartbeat_at: row.last_heartbeat_at }
}

fn is_connected<D>(app: &App, row: &Row<D>, connection: Option<&Connection>) -> bool {
    let is_of_this_time = |bound: &Connection| {
        bound.boot_id == app.boot_id || app.cluster.as_ref().is_some_and(|cluster| !cluster.is_own(&bound.node))
    };
    row.kind == Kind::Public || connection.is_some_and(is_of_this_time)
}

/// An Llm of the tables.
pub fn stored_llm(app: &App, stored: &StoredRow<LlmDefinition>) -> wire::rows::Llm {
    llm_row(&stored.row, &live(app, stored))
}

/// An agent of the tables.
pub fn stored_agent(app: &App, stored: &StoredRow<AgentDefinition>) -> wire::rows::Agent {
    app.look(|state| agent_row(&stored.row, &live(app, stored), state))
}

/// An Llm as it was, in the registry as it was.
pub fn past_llm(state: &State, row: &Llm) -> wire::rows::Llm {
    llm_row(row, &past(state, row))
}

/// An agent as it was, in the registry as it was.
pub fn past_agent(state: &State, row: &Agent) -> wire::rows::Agent {
    agent_row(row, &past(state, row), state)
}

/// As the log has it: whichever process held the stream then.
fn past<D>(state: &State, row: &Row<D>) -> Overlay {
    let session = row.session.as_ref().and_then(|session| state.sessions.get(session));
    let connected = row.kind == Kind::Public || session.is_some_and(|session| session.connection.is_some());
    Overlay { connected, last_heartbeat_at: row.last_heartbeat_at }
}

/// An Llm as a write left it.
pub fn llm(app: &App, state: &State, row: &Llm) -> wire::rows::Llm {
    llm_row(row, &left(app, state, row))
}

/// An agent as a write left it.
pub fn agent(app: &App, state: &State, row: &Agent) -> wire::rows::Agent {
    agent_row(row, &left(app, state, row), state)
}

fn llm_row(row: &Llm, overlay: &Overlay) -> wire::rows::Llm {
    let definition = &row.definition;
    wire::rows::Llm {
        id: row.id.to_string(),
        name: row.name.to_string(),
        type_: definition.type_.clone(),
        model: definition.model.clone(),
        url: definition.url.clone(),
        tier: definition.tier.clone(),
        description: definition.description.clone(),
        pool_name: definition.pool_name.as_ref().map(ToString::to_string),
        api_key_ref: definition.api_key_ref.clone(),
        extra_config: definition.extra_config.as_ref().map(mcpctl_events::json::Json::to_raw),
        max_concurrent: definition.max_concurrent,
        labels: definition.labels.clone(),
        kind: row.kind.as_str().to_owned(),
        status: row.status.as_str().to_owned(),
        disabled: row.disabled,
        connected: overlay.connected,
        last_heartbeat_at: text(overlay.last_heartbeat_at),
        inactive_since: text(row.inactive_since),
        owner_id: row.owner.to_string(),
        version: row.version,
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
    }
}

fn agent_row(row: &Agent, overlay: &Overlay, state: &State) -> wire::rows::Agent {
    let definition = &row.definition;
    let llm = &definition.llm;
    wire::rows::Agent {
        id: row.id.to_string(),
        name: row.name.to_string(),
        description: definition.description.clone(),
        system_prompt: definition.system_prompt.clone(),
        llm: wire::rows::LlmRef { id: llm.id.as_ref().map(Uuid::to_string), name: llm.name.to_string() },
        project: definition.project.as_ref().and_then(|name| project(state, name)),
        default_personality: definition.default_personality.as_ref().map(ToString::to_string),
        proxy_model_name: definition.proxy_model_name.clone(),
        default_params: definition.default_params.as_ref().map(mcpctl_events::json::Json::to_raw),
        extras: definition.extras.as_ref().map(mcpctl_events::json::Json::to_raw),
        labels: definition.labels.clone(),
        kind: row.kind.as_str().to_owned(),
        status: row.status.as_str().to_owned(),
        disabled: row.disabled,
        connected: overlay.connected,
        last_heartbeat_at: text(overlay.last_heartbeat_at),
        inactive_since: text(row.inactive_since),
        owner_id: row.owner.to_string(),
        version: row.version,
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
    }
}

/// The project that an agent names; none once it is deleted, of which the agent's row may know a moment later.
fn project(state: &State, name: &Name) -> Option<wire::rows::ProjectRef> {
    let project = state.projects.get(name)?;
    Some(wire::rows::ProjectRef { id: project.id.to_string(), name: name.to_string() })
}

fn text(time: Option<LogTime>) -> Option<String> {
    time.map(|time| time.to_string())
}
