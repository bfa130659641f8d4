//! `/api/v1/agents`: list, read, create, replace, delete, pause.

use super::{
    past::{self, PastQuery},
    rows::{Gathered, ListQuery, if_match, list, path_name},
    written::{IfMatch, WriteHeaders, WriteQuery, Written, idempotency, not_rebuilt, show as show_written, write},
};
use crate::{
    access,
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
    present,
    routes::openapi::{bodies, queries},
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use mcpctl_events::{
    access::{Kind, Verb},
    command::{Command, Create, DeleteRow, Put, Switch},
    definition::{AgentDefinition, Labels, Pin},
    event::Subject,
    name::Name,
    state::{Agent as Row, Llm as StoredLlm, State as Registry},
    wire::{self, error::ErrorBody, rows::Agent},
};
use mcpctl_projector::store::AgentFilter;
use std::{ops::ControlFlow, sync::Arc};

/// Lists agents.
#[utoipa::path(get, path = "/api/v1/agents", operation_id = "listAgents", tag = "registry", params(queries::AgentQuery),
    responses((status = 200, body = Vec<Agent>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let mut filter = AgentFilter {
        rows: query.filter(&[])?,
        llm: query.llm.clone(),
        pool: query.pool.clone(),
        project: query.project.clone(),
    };
    query.settle(&app).await?;
    if let Some(as_of) = &query.as_of {
        let shown = |state: &Registry, row: &Row| {
            let callable = || is_callable_in(state, row, |llm| present::past_llm(state, llm));
            let wanted = is_of(&filter, row) && (!query.asks_callable() || query.wants(callable()));
            wanted.then(|| present::past_agent(state, row))
        };
        return past::rows(&app, &uri, as_of, &filter.rows, seen, shown).await;
    }
    let mut gathered = Gathered::new(&filter.rows);
    let page = loop {
        let page = app.tables.agents(&filter).await?;
        let pick =
            |stored: &_| Some(present::stored_agent(&app, stored)).filter(|row| query.wants(is_callable(&app, row)));
        match gathered.take(&page, pick, |row| &row.name) {
            ControlFlow::Break(page) => break page,
            ControlFlow::Continue(after) => filter.rows.after = after,
        }
    };
    Ok(list(&page.items, page.next.as_deref(), page.sequence, &uri))
}

/// An agent can be called only if what it is pinned to can.
fn is_callable(app: &App, row: &Agent) -> bool {
    let own = row.status == "active" && !row.disabled && row.connected;
    own && app.look(|state| {
        let Some(agent) = state.agents.get(&row.name) else { return false };
        pinned(state, &agent.definition.llm).any(|llm| super::llms::is_callable(&present::llm(app, state, llm)))
    })
}

/// The same for the registry as it was.
fn is_callable_in(state: &Registry, row: &Row, shown: impl Fn(&StoredLlm) -> wire::rows::Llm) -> bool {
    let agent = present::past_agent(state, row);
    let own = agent.status == "active" && !agent.disabled && agent.connected;
    own && pinned(state, &row.definition.llm).any(|llm| super::llms::is_callable(&shown(llm)))
}

/// What filters look at.
fn seen(definition: &AgentDefinition) -> (&Labels, Option<&str>) {
    (&definition.labels, definition.description.as_deref())
}

/// Whether an agent is pinned to, and in, what a filter names.
fn is_of(filter: &AgentFilter, row: &Row) -> bool {
    let pin = &row.definition.llm;
    let is_pin = |name: &String| *pin.name == **name || pin.id.is_some_and(|id| id.to_string() == *name);
    filter.llm.as_ref().is_none_or(is_pin)
        && filter.pool.as_ref().is_none_or(|pool| pin.id.is_none() && *pin.name == **pool)
        && filter.project.as_ref().is_none_or(|name| row.definition.project.as_deref() == Some(name))
}

/// The Llms that a pin means: one by its id, or the members of a pool.
fn pinned<'a>(state: &'a Registry, pin: &'a Pin) -> impl Iterator<Item = &'a Arc<StoredLlm>> {
    let pool = if pin.id.is_none() { state.pool(&pin.name) } else { None };
    pin.id.and_then(|id| state.llms.by_id(id)).into_iter().chain(pool.into_iter().flatten())
}

/// Reads an agent.
#[utoipa::path(get, path = "/api/v1/agents/{name}", operation_id = "getAgent", tag = "registry", params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Agent), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Json<Agent>, ApiError> {
    if let Some(as_of) = &query.as_of {
        let found = past::row(&app, as_of, &name, present::past_agent).await?;
        return found.map(Json).ok_or_else(|| not_found(&name));
    }
    let found = app.tables.agent(&name).await?;
    let found = found.value.ok_or_else(|| not_found(&name))?;
    Ok(Json(present::stored_agent(&app, &found)))
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Agent not found: {}", name.escape_default()))
}

/// Creates a public agent.
#[utoipa::path(post, path = "/api/v1/agents", operation_id = "createAgent", tag = "registry", params(WriteQuery, WriteHeaders), request_body = bodies::NewAgent,
    responses((status = 201, body = Agent), (status = "default", body = ErrorBody)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, "POST /agents", &body)?;
    let (name, command) = creation(&app, &caller, &body)?;
    let mut written = write(&app, &caller, command, key, query).await?;
    let row = left(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::CREATED, row))
}

/// The command that creates what a body holds.
pub(super) fn creation(app: &App, caller: &Caller, body: &[u8]) -> Result<(Name, Command), ApiError> {
    let (name, definition) = new(body)?;
    access::allow(app, caller, Verb::Create, Kind::Agent, Some(&name))?;
    may_join(app, caller, Verb::Create, &definition)?;
    let create = Create { id: app.clock.id(), name: name.clone(), owner: caller.user.id, definition };
    Ok((name, Command::CreateAgent(create)))
}

/// The row that a write left.
async fn left(app: &Arc<App>, written: &mut Written, name: &Name) -> Result<Agent, ApiError> {
    let find = |state: &Registry, subjects: &[Subject]| match subjects {
        [Subject::Agent(name)] => state.agents.get(name).map(|row| present::agent(app, state, row)),
        _ => None,
    };
    let row = show_written(app, written, &[Subject::Agent(name.clone())], find).await?;
    row.ok_or_else(|| if written.is_repeat() { not_rebuilt() } else { not_found(name) })
}

/// Replaces an agent's definition; a field left out returns to its default.
#[utoipa::path(put, path = "/api/v1/agents/{name}", operation_id = "replaceAgent", tag = "registry", params(("name" = String, Path), WriteQuery, WriteHeaders, IfMatch),
    request_body = bodies::ReplacedAgent, responses((status = 200, body = Agent), (status = "default", body = ErrorBody)))]
pub async fn replace(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, &format!("PUT /agents/{name}"), &body)?;
    let name = path_name::<AgentDefinition>(&app, &name)?;
    let command = replacement(&app, &caller, &name, if_match(&headers)?, &body)?;
    let mut written = write(&app, &caller, command, key, query).await?;
    let row = left(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::OK, row))
}

/// The command that replaces a row's definition by what a body holds.
pub(super) fn replacement(
    app: &App,
    caller: &Caller,
    name: &Name,
    if_match: Option<u64>,
    body: &[u8],
) -> Result<Command, ApiError> {
    // A row that is not there has no name to be wrong about: that it is not there is what is said then.
    let there = app.look(|state| state.agents.get(name).is_some());
    let definition = redefined(there.then_some(name), body)?;
    may_join(app, caller, Verb::Edit, &definition)?;
    let by = access::hand(app, caller, Verb::Edit, Kind::Agent, name);
    Ok(Command::PutAgent(Put { name: name.clone(), by, if_match, definition }))
}

/// Whoever acts by a grant pins an agent only to what they may run, and puts it only into projects that they may edit: their
/// tools are the agent's then.
fn may_join(app: &App, caller: &Caller, verb: Verb, definition: &AgentDefinition) -> Result<(), ApiError> {
    access::allow_besides(app, caller, verb, (Verb::Run, Kind::Llm, &definition.llm.name))?;
    let Some(project) = &definition.project else { return Ok(()) };
    access::allow_besides(app, caller, verb, (Verb::Edit, Kind::Project, project))
}

fn new(body: &[u8]) -> Result<(Name, AgentDefinition), ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let name = fields.required_name("name");
    let definition = definition(fields);
    problems.check(name.zip(definition))
}

fn redefined(name: Option<&Name>, body: &[u8]) -> Result<AgentDefinition, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let given = fields.string("name");
    if given.zip(name).is_some_and(|(given, name)| given != **name) {
        fields.problem("name", "can't be changed: it is the name in the path");
    }
    let definition = definition(fields);
    problems.check(definition)
}

fn definition(mut fields: Fields<'_>) -> Option<AgentDefinition> {
    let llm = pin(&mut fields);
    let (description, system_prompt) = (fields.string("description"), fields.string("systemPrompt"));
    let (project, default_personality) = (fields.name("project"), fields.name("defaultPersonality"));
    let proxy_model_name = fields.string("proxyModelName");
    let (default_params, extras) = (fields.params("defaultParams"), fields.object("extras"));
    let labels = fields.labels("labels");
    fields.refuse_unknown();
    Some(AgentDefinition {
        description,
        system_prompt,
        llm: Pin { id: None, name: llm? },
        project,
        default_personality,
        proxy_model_name,
        default_params,
        extras,
        labels: labels.unwrap_or_default(),
    })
}

/// `"name"` or `{"name": "name"}`.
fn pin(fields: &mut Fields<'_>) -> Option<Name> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ByName {
        name: String,
    }
    let value = fields.raw("llm").map(serde_json::value::RawValue::get).unwrap_or_default();
    let by_name = || json::object::<ByName>(value.as_bytes()).ok().map(|pin| pin.name);
    let Some(text) = serde_json::from_str::<String>(value).ok().or_else(by_name) else {
        fields.problem("llm", "is required: the name of an Llm or a pool, or {\"name\": …}");
        return None;
    };
    let name = Name::parse(&text);
    if let Err(error) = &name {
        fields.problem("llm", error.to_string());
    }
    name.ok()
}

/// Deletes an agent.
#[utoipa::path(delete, path = "/api/v1/agents/{name}", operation_id = "deleteAgent", tag = "registry", params(("name" = String, Path), WriteQuery, WriteHeaders),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = idempotency(&headers, &caller, &format!("DELETE /agents/{name}"), b"")?;
    let name = path_name::<AgentDefinition>(&app, &name)?;
    let mut written = write(&app, &caller, deletion(&app, &caller, name), key, query).await?;
    show_written(&app, &mut written, &[], |_, _| ()).await?;
    Ok(written.empty())
}

/// The command that deletes a row; whether the caller may is asked of its path.
pub(super) fn deletion(app: &App, caller: &Caller, name: Name) -> Command {
    let by = access::hand(app, caller, Verb::Delete, Kind::Agent, &name);
    Command::DeleteAgent(DeleteRow { name, by })
}

/// Pauses an agent, or ends the pause.
#[utoipa::path(post, path = "/api/v1/agents/{name}/{switch}", operation_id = "switchAgent", tag = "registry",
    params(("name" = String, Path), ("switch" = String, Path, description = "disable or enable"), WriteQuery, WriteHeaders),
    responses((status = 200, body = Agent), (status = "default", body = ErrorBody)))]
pub async fn switch(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path((name, switch)): Path<(String, String)>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = idempotency(&headers, &caller, &format!("POST /agents/{name}/{switch}"), b"")?;
    let name = path_name::<AgentDefinition>(&app, &name)?;
    access::allow(&app, &caller, Verb::Edit, Kind::Agent, Some(&name))?;
    let disabled = super::disabled(&switch)?;
    let command = Command::SwitchAgent(Switch { name: name.clone(), disabled });
    let mut written = write(&app, &caller, command, key, query).await?;
    let row = left(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::OK, row))
}
