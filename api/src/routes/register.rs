//! `POST /api/v1/llms/_provider-register`: a publisher declares all that it publishes; all of it happens, or nothing.

use super::written::{WriteQuery, idempotency, show, write};
use crate::{
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
    present,
};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use mcpctl_events::{
    command::{AgentEntry, Command, Provider, Register},
    event::{Subject, row::Status},
    name::{Name, SessionId},
    state::State as Registry,
    wire::publish::Registered,
};
use serde_json::value::RawValue;
use std::{collections::BTreeSet, sync::Arc};

const NO_PROVIDERS: &str = "`providers` array is required and must be non-empty";
const NO_OBJECT: &str = "agent entry must be an object";
const NO_NAMES: &str = "agent entry requires string `name` and `llmName`";

/// Registers.
#[utoipa::path(post, path = "/api/v1/llms/_provider-register", tag = "publishing",
    request_body(content = Object, description = "`{providerSessionId?, providers: […], agents?: […]}`"),
    responses((status = 201, body = Registered), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn register(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_body(body, app.config.args.max_body).await?;
    let key = idempotency(&headers, &caller, "register", &body)?;
    let register = parse(&app, &caller, &body)?;
    let session = register.session.clone();
    let llms: Vec<Name> = register.providers.iter().map(|provider| provider.name.clone()).collect();
    let agents: Vec<Name> = register.agents.iter().map(|agent| agent.name.clone()).collect();
    let mut written = write(&app, &caller, Command::Register(register), key, query).await?;
    let subjects = llms.iter().cloned().map(Subject::Llm).chain(agents.iter().cloned().map(Subject::Agent));
    let subjects: Vec<Subject> = subjects.chain([Subject::Session(session.clone())]).collect();
    let is_repeat = written.is_repeat();
    let body = show(&app, &mut written, &subjects, |state| {
        // A body without a session gets a new one each time it is read; the first answer named that of its rows.
        let session = is_repeat.then(|| owner(state, &llms, &agents)).flatten().unwrap_or(session);
        Registered {
            provider_session_id: session.to_string(),
            epoch: state.sessions.get(&session).map_or(0, |session| session.epoch),
            llms: rows(&llms, |name| state.llms.get(name).map(|row| present::llm(&app, state, row))),
            agents: rows(&agents, |name| state.agents.get(name).map(|row| present::agent(&app, state, row))),
        }
    })
    .await?;
    Ok(written.answer(StatusCode::CREATED, body))
}

/// The session that these rows belong to.
fn owner(state: &Registry, llms: &[Name], agents: &[Name]) -> Option<SessionId> {
    let llm = llms.first().and_then(|name| state.llms.get(name)?.session.clone());
    llm.or_else(|| agents.first().and_then(|name| state.agents.get(name)?.session.clone()))
}

fn rows<T>(names: &[Name], present: impl Fn(&Name) -> Option<T>) -> Vec<T> {
    names.iter().filter_map(present).collect()
}

fn parse(app: &App, caller: &Caller, body: &[u8]) -> Result<Register, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?.null_is_absent();
    let session = fields.string("providerSessionId").map(|text| SessionId::parse(&text));
    if let Some(Err(error)) = &session {
        fields.problem("providerSessionId", error.to_string());
    }
    let fresh = || SessionId::parse(&app.clock.id().to_string());
    let session = session.unwrap_or_else(fresh).ok();
    let providers = fields.array("providers").unwrap_or_default();
    let agents = fields.array("agents").unwrap_or_default();
    if providers.is_empty() && agents.is_empty() {
        return Err(ApiError::problems(vec![mcpctl_events::wire::error::Problem {
            pointer: String::new(),
            reason: NO_PROVIDERS.to_owned(),
        }]));
    }
    let providers = entries(&fields, &providers, |entry| provider(app, entry));
    let agents = entries(&fields, &agents, |entry| agent(app, entry));
    twice(&problems, "/providers", providers.iter().map(|provider| &provider.name));
    twice(&problems, "/agents", agents.iter().map(|agent| &agent.name));
    let user = caller.user.clone();
    problems.check(session.map(|session| Register { session, user, providers, agents }))
}

fn entries<'a, T>(
    fields: &Fields<'a>,
    values: &[(String, &'a RawValue)],
    read: impl Fn(Fields<'a>) -> Option<T>,
) -> Vec<T> {
    let entry = |(pointer, value): &(String, &'a RawValue)| {
        let entry = fields.nested(pointer.clone(), value);
        if entry.is_none() {
            let reason = if pointer.starts_with("/agents") { NO_OBJECT } else { "provider entry must be an object" };
            fields.problem_at(pointer, reason);
        }
        read(entry?)
    };
    values.iter().filter_map(entry).collect()
}

fn provider(app: &App, mut fields: Fields<'_>) -> Option<Provider> {
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
    Some(Provider {
        id: app.clock.id(),
        name: name?,
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
    })
}

fn agent(app: &App, mut fields: Fields<'_>) -> Option<AgentEntry> {
    if !(fields.is_string("name") && fields.is_string("llmName")) {
        fields.problem("", NO_NAMES);
        return None;
    }
    let (name, llm_name) = (fields.required_name("name"), fields.required_name("llmName"));
    let (description, system_prompt) = (fields.string("description"), fields.string("systemPrompt"));
    let (project, labels) = (fields.name("project"), fields.labels("labels"));
    let (default_params, extras) = (fields.params("defaultParams"), fields.object("extras"));
    Some(AgentEntry {
        id: app.clock.id(),
        name: name?,
        llm_name: llm_name?,
        description,
        system_prompt,
        project,
        default_params,
        extras,
        labels,
    })
}

fn twice<'a>(problems: &Problems, list: &str, names: impl Iterator<Item = &'a Name>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            problems.add(list, format!("`{name}` is there twice"));
        }
    }
}
