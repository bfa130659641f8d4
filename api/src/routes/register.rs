//! `POST /api/v1/llms/_provider-register`: a publisher declares all that it publishes; all of it happens, or nothing.

use super::written::{WriteHeaders, WriteQuery, idempotency, show, write};
use crate::{
    access,
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
    present,
    rehearsal::rehearse,
    routes::openapi::bodies,
};
use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use mcpctl_events::{
    access::{Kind, Verb},
    command::{AgentEntry, Command, Provider, Register, User},
    event::{Subject, row::Status},
    name::{Name, SessionId},
    state::State as Registry,
    wire::publish::Registered,
};
use serde_json::value::RawValue;
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

const NO_PROVIDERS: &str = "`providers` array is required and must be non-empty";
const LARGE_BODY: usize = 256 << 10;
const NO_OBJECT: &str = "agent entry must be an object";
const NO_NAMES: &str = "agent entry requires string `name` and `llmName`";

/// Registers.
#[utoipa::path(post, path = "/api/v1/llms/_provider-register", tag = "publishing", params(WriteQuery, WriteHeaders),
    request_body = bodies::Declaration,
    responses((status = 201, body = Registered), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn register(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, "register", &body)?;
    let register = read(&app, &caller, body).await?;
    let session = register.session.clone();
    let (llms, agents) = names(&register);
    let mut written = write(&app, &caller, Command::Register(register), key, query).await?;
    let subjects = llms.iter().cloned().map(Subject::Llm).chain(agents.iter().cloned().map(Subject::Agent));
    let subjects: Vec<Subject> = subjects.chain([Subject::Session(session.clone())]).collect();
    let is_repeat = written.is_repeat();
    let body = show(&app, &mut written, &subjects, |state, _| {
        // A body without a session gets a new one each time it is read; the first answer named that of its rows.
        let session = is_repeat.then(|| owner(state, &llms, &agents)).flatten().unwrap_or(session);
        registered(&app, state, &session, &llms, &agents)
    })
    .await?;
    Ok(written.answer(StatusCode::CREATED, body))
}

/// Says what a declaration would come to, or why it would be refused; nothing is written.
#[utoipa::path(post, path = "/api/v1/llms/_provider-register/dry-run", operation_id = "registerDryRun", tag = "publishing",
    request_body = bodies::Declaration,
    responses((status = 200, body = Registered), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn dry_run(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<Registered>, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let register = read(&app, &caller, body).await?;
    let rehearsed = rehearse(&app, &caller, move |app, mut rehearsal| {
        let (session, (llms, agents)) = (register.session.clone(), names(&register));
        rehearsal.decide(app, &Command::Register(register))?;
        Ok(rehearsal.look(app, |state| registered(app, state, &session, &llms, &agents)))
    });
    rehearsed.await.map(Json)
}

/// Reads a declaration that its caller may make.
async fn read(app: &Arc<App>, caller: &Caller, body: Bytes) -> Result<Register, ApiError> {
    let register = if body.len() > LARGE_BODY {
        // Reading it takes longer than calls under way may wait for their next chunk.
        let (app, caller) = (app.clone(), caller.clone());
        tokio::task::spawn_blocking(move || parse(&|| app.clock.id(), caller.user, &body))
            .await
            .map_err(ApiError::internal)??
    } else {
        parse(&|| app.clock.id(), caller.user.clone(), &body)?
    };
    may_publish(app, caller, &register)?;
    Ok(register)
}

/// The Llms and the agents of a declaration.
fn names(register: &Register) -> (Vec<Name>, Vec<Name>) {
    let llms = register.providers.iter().map(|provider| provider.name.clone());
    let agents = register.agents.iter().map(|agent| agent.name.clone());
    (llms.collect(), agents.collect())
}

fn registered(app: &App, state: &Registry, session: &SessionId, llms: &[Name], agents: &[Name]) -> Registered {
    Registered {
        provider_session_id: session.to_string(),
        epoch: state.sessions.get(session).map_or(0, |session| session.epoch),
        llms: rows(llms, |name| state.llms.get(name).map(|row| present::llm(app, state, row))),
        agents: rows(agents, |name| state.agents.get(name).map(|row| present::agent(app, state, row))),
    }
}

/// Whoever has no role for it may publish what they were granted, name by name.
fn may_publish(app: &App, caller: &Caller, register: &Register) -> Result<(), ApiError> {
    for provider in &register.providers {
        access::allow(app, caller, Verb::Publish, Kind::Llm, Some(&provider.name))?;
        // One that is not named is kept.
        let kept = || app.look(|state| state.llms.get(&provider.name)?.definition.pool_name.clone());
        if let Some(pool) = provider.pool_name.clone().or_else(kept) {
            access::allow_besides(app, caller, Verb::Publish, (Verb::Publish, Kind::Llm, &pool))?;
        }
    }
    for agent in &register.agents {
        access::allow(app, caller, Verb::Publish, Kind::Agent, Some(&agent.name))?;
        if !register.providers.iter().any(|provider| provider.name == agent.llm_name) {
            access::allow_besides(app, caller, Verb::Publish, (Verb::Run, Kind::Llm, &agent.llm_name))?;
        }
        if let Some(project) = &agent.project {
            access::allow_besides(app, caller, Verb::Publish, (Verb::Edit, Kind::Project, project))?;
        }
    }
    Ok(())
}

/// The session that these rows belong to.
fn owner(state: &Registry, llms: &[Name], agents: &[Name]) -> Option<SessionId> {
    let llm = llms.first().and_then(|name| state.llms.get(name)?.session.clone());
    llm.or_else(|| agents.first().and_then(|name| state.agents.get(name)?.session.clone()))
}

fn rows<T>(names: &[Name], present: impl Fn(&Name) -> Option<T>) -> Vec<T> {
    names.iter().filter_map(present).collect()
}

/// Reads a declaration; ids that it may need are `fresh`.
pub(crate) fn parse(fresh: &impl Fn() -> Uuid, user: User, body: &[u8]) -> Result<Register, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?.null_is_absent();
    let session = fields.string("providerSessionId").map(|text| SessionId::parse(&text));
    if let Some(Err(error)) = &session {
        fields.problem("providerSessionId", error.to_string());
    }
    let session = session.unwrap_or_else(|| SessionId::parse(&fresh().to_string())).ok();
    let providers = fields.array("providers").unwrap_or_default();
    let agents = fields.array("agents").unwrap_or_default();
    if providers.is_empty() && agents.is_empty() {
        problems.say("", NO_PROVIDERS);
    }
    let providers = entries(&fields, "/providers", &providers, |entry| provider(fresh, entry));
    let agents = entries(&fields, "/agents", &agents, |entry| agent(fresh, entry));
    problems.check(session.map(|session| Register { session, user, providers, agents }))
}

/// Reads all entries of a list, unless so much is wrong that no more of it would be listed. No name may be there twice.
fn entries<'a, T>(
    fields: &Fields<'a>,
    list: &str,
    values: &[&'a RawValue],
    read: impl Fn(Fields<'a>) -> Option<(Name, T)>,
) -> Vec<T> {
    let (mut seen, mut entries) = (HashSet::new(), Vec::new());
    for (index, value) in values.iter().enumerate() {
        if fields.problems().are_enough() {
            break;
        }
        let pointer = format!("{list}/{index}");
        let Some(entry) = fields.nested(pointer.clone(), value) else {
            let reason = if list == "/agents" { NO_OBJECT } else { "provider entry must be an object" };
            fields.problems().say(&pointer, reason);
            continue;
        };
        let Some((name, entry)) = read(entry) else { continue };
        if !seen.insert(name.clone()) {
            fields.problem_at(&format!("{pointer}/name"), format!("`{name}` is there twice"));
        }
        entries.push(entry);
    }
    entries
}

fn provider(fresh: &impl Fn() -> Uuid, mut fields: Fields<'_>) -> Option<(Name, Provider)> {
    let (name, type_) = (fields.required_name("name"), fields.required_string("type"));
    let model = fields.required_string("model");
    let (tier, description) = (fields.string("tier"), fields.string("description"));
    let (pool_name, labels) = (fields.name("poolName"), fields.labels("labels"));
    let extra_config = fields.object("extraConfig");
    super::secrets::refuse(&fields, "extraConfig", extra_config.as_ref());
    let initial_status = match fields.string("initialStatus").as_deref() {
        None | Some("active") => Status::Active,
        Some("hibernating") => Status::Hibernating,
        Some(_) => {
            fields.problem("initialStatus", "is `active` or `hibernating`");
            Status::Active
        }
    };
    let (max_concurrent, max_wait_seconds) = (fields.count("maxConcurrent"), fields.count("maxWaitSeconds"));
    let name = name?;
    let provider = Provider {
        id: fresh(),
        name: name.clone(),
        type_: type_?,
        model: model?,
        tier,
        description,
        pool_name,
        extra_config,
        initial_status,
        max_concurrent,
        max_wait_seconds,
        labels,
    };
    Some((name, provider))
}

fn agent(fresh: &impl Fn() -> Uuid, mut fields: Fields<'_>) -> Option<(Name, AgentEntry)> {
    if !(fields.is_string("name") && fields.is_string("llmName")) {
        fields.problems().say(fields.pointer(), NO_NAMES);
        return None;
    }
    let (name, llm_name) = (fields.required_name("name"), fields.required_name("llmName"));
    let (description, system_prompt) = (fields.string("description"), fields.string("systemPrompt"));
    let (project, labels) = (fields.name("project"), fields.labels("labels"));
    let (default_params, extras) = (fields.params("defaultParams"), fields.object("extras"));
    let name = name?;
    let agent = AgentEntry {
        id: fresh(),
        name: name.clone(),
        llm_name: llm_name?,
        description,
        system_prompt,
        project,
        default_params,
        extras,
        labels,
    };
    Some((name, agent))
}
