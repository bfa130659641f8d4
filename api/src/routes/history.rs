//! `GET /api/v1/agents/:name/history`, and the same of Llms and sessions: a life, also one that has ended.

use super::{
    events::written,
    openapi::values::Before,
    rows::{read as read_parameter, sequence},
};
use crate::{app::App, auth::Caller, error::ApiError, json::Problems};
use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Response,
};
use mcpctl_events::{
    definition::{AgentDefinition, LlmDefinition},
    event::{Subject, token::Role},
    name::{Name, SessionId},
    state::Stored,
    wire::error::ErrorBody,
};
use mcpctl_projector::store::EventFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use uuid::Uuid;

const DEFAULT_LIMIT: u32 = 1000;
const MAX_LIMIT: u32 = 10_000;

/// How much of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Events at most, the newest: 1,000 by default, 10,000 at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    limit: Option<String>,
    /// Only events below this sequence.
    #[param(value_type = Option<Before>)]
    before: Option<String>,
}

/// Lists what happened to an agent, the newest first.
#[utoipa::path(get, path = "/api/v1/agents/{name}/history", operation_id = "agentHistory", tag = "audit",
    params(("name" = String, Path), HistoryQuery),
    responses((status = 200, description = "an array of CloudEvents 1.0", body = Vec<Object>),
        (status = "default", body = ErrorBody)))]
pub async fn of_agent(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, ApiError> {
    history::<AgentDefinition>(&app, &name, &query).await
}

/// Lists what happened to an Llm, the newest first.
#[utoipa::path(get, path = "/api/v1/llms/{name}/history", operation_id = "llmHistory", tag = "audit",
    params(("name" = String, Path), HistoryQuery),
    responses((status = 200, description = "an array of CloudEvents 1.0", body = Vec<Object>),
        (status = "default", body = ErrorBody)))]
pub async fn of_llm(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, ApiError> {
    history::<LlmDefinition>(&app, &name, &query).await
}

/// Lists what happened to a publisher's session, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/history", operation_id = "sessionHistory", tag = "audit",
    params(("id" = String, Path), HistoryQuery),
    responses((status = 200, description = "an array of CloudEvents 1.0", body = Vec<Object>),
        (status = "default", body = ErrorBody)))]
pub async fn of_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, ApiError> {
    // Whose a session was that is forgotten is on the log alone.
    let is_own = |id: &SessionId| {
        let owner = app.look(|state| state.sessions.get(id).map(|session| session.user_id));
        caller.role == Role::Admin || owner == Some(caller.user.id)
    };
    let subject = SessionId::parse(&id).ok().filter(is_own).map(Subject::Session);
    // An id that was forgotten may have been somebody else's before.
    let since = match &subject {
        Some(subject) if caller.role != Role::Admin => begun(&app, subject).await?,
        _ => 0,
    };
    list(&app, subject, since, &query, || not_found("Session", &id)).await
}

/// The sequence before the last time that a session began.
async fn begun(app: &App, session: &Subject) -> Result<u64, ApiError> {
    let (subject, type_glob) = (Some(session.to_string()), Some("session.registered.*".to_owned()));
    let filter = EventFilter { subject, type_glob, limit: 1, newest_first: true, ..EventFilter::default() };
    let found = app.tables.events(&filter).await?;
    Ok(found.value.first().map_or(0, |event| event.sequence.saturating_sub(1)))
}

async fn history<D: Stored>(app: &Arc<App>, text: &str, query: &HistoryQuery) -> Result<Response, ApiError> {
    list(app, subject::<D>(app, text), 0, query, || not_found(D::TITLE, text)).await
}

async fn list(
    app: &Arc<App>,
    subject: Option<Subject>,
    after: u64,
    query: &HistoryQuery,
    not_found: impl Fn() -> ApiError,
) -> Result<Response, ApiError> {
    let (limit, until) = query.read()?;
    let subject = subject.ok_or_else(&not_found)?.to_string();
    let filter =
        EventFilter { subject: Some(subject), after, limit, until, newest_first: true, ..EventFilter::default() };
    let found = app.tables.events(&filter).await?;
    if found.value.is_empty() && query.before.is_none() {
        return Err(not_found());
    }
    written(app, found).await
}

impl HistoryQuery {
    fn read(&self) -> Result<(u32, Option<u64>), ApiError> {
        let problems = Problems::default();
        let most = format!("is a whole number from 1 to {MAX_LIMIT}");
        let limit = |text: &str| text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        let limit = read_parameter(&problems, "limit", self.limit.as_deref(), &most, limit);
        let before = |text: &str| sequence(text).and_then(|sequence| sequence.checked_sub(1));
        let until = read_parameter(&problems, "before", self.before.as_deref(), "is a sequence", before);
        problems.check(Some((limit.unwrap_or(DEFAULT_LIMIT), until)))
    }
}

/// What a name means, or the id of a row that is there.
fn subject<D: Stored>(app: &App, text: &str) -> Option<Subject> {
    let of_id = || {
        let id = Uuid::parse_str(text).ok()?;
        app.look(|state| D::table(state).by_id(id).map(|row| row.name.clone()))
    };
    of_id().or_else(|| Name::parse(text).ok()).map(D::subject)
}

fn not_found(title: &str, text: &str) -> ApiError {
    ApiError::not_found(format!("{title} not found, nor ever there: {}", text.escape_default()))
}
