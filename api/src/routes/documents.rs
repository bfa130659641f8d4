//! `/api/v1/projects`, `/personalities` and `/prompts`: list, read, create, replace, delete. What they have in common is
//! here, each kind in a file of its own.

pub mod personality;
pub mod project;
pub mod prompt;

use super::{
    past::{self, PastQuery},
    rows::{MinSequence, if_match, limit, list, read, short},
    written::{WriteQuery, idempotency, not_rebuilt, show as show_written, write, write_all},
};
use crate::{
    access,
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Fields, Problems},
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{FromRequestParts, Query},
    http::{HeaderMap, StatusCode, Uri, request::Parts},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    access::{Kind as Resource, Verb},
    command::{Command, Create, Put},
    event::Subject,
    name::Name,
    state::{Document, State as Registry, StoredDocument},
};
use mcpctl_projector::{
    Tables,
    store::{At, DocumentFilter, Page, StoreError},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// A kind of document.
pub(super) trait Kind: StoredDocument + Send + Sync + 'static {
    /// The list, in paths.
    const LIST: &'static str;
    /// What it is to whoever asks who may do what.
    const RESOURCE: Resource;
    /// Whose it is.
    fn belongs_to(&self) -> Option<(Resource, &Name)>;
    /// As the wire shows it.
    type Shown: Serialize + Send;

    /// As the wire shows it.
    fn shown(document: &Document<Self>) -> Self::Shown;
    /// Reads all of a definition.
    fn read(fields: Fields<'_>) -> Option<Self>;
    /// What people read of it.
    fn text(&self) -> Option<&str>;
    /// Whether it belongs to what a filter names.
    fn is_of(&self, filter: &DocumentFilter) -> bool;
    /// Refuses whoever may not make `new` of what stands there, if anything does.
    fn allow(new: &Self, old: Option<&Self>, caller: &Caller) -> Result<(), ApiError>;
    /// The command that makes one.
    fn create(create: Create<Self>) -> Command;
    /// The command that replaces one.
    fn put(put: Put<Self>) -> Command;
    /// The command that makes what hangs on one less, if there may be too much of it for one change.
    fn relieve(_: &Name) -> Option<Command> {
        None
    }
    /// The command that deletes one.
    fn delete(name: Name) -> Command;
    /// A page of them.
    fn page(
        tables: &Tables,
        filter: &DocumentFilter,
    ) -> impl Future<Output = Result<Page<Document<Self>>, StoreError>> + Send;
    /// One of them.
    fn one(tables: &Tables, name: &str) -> impl Future<Output = Result<At<Option<Document<Self>>>, StoreError>> + Send;
}

/// Query of a list of documents.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentQuery {
    /// Text in the name or the description; of prompts, in the content.
    q: Option<String>,
    /// Documents at most; the header `Link` says how to go on.
    limit: Option<String>,
    /// Where an earlier page ended.
    cursor: Option<String>,
    /// As it was then: a sequence, or a time (inclusive).
    as_of: Option<String>,
    /// Waits until the list shows at least this sequence, 5 s at most.
    min_sequence: Option<String>,
    /// Personalities and prompts: of this agent.
    agent: Option<String>,
    /// Prompts: of this project.
    project: Option<String>,
    /// Prompts: of this personality.
    personality: Option<String>,
}

impl DocumentQuery {
    /// The filter; `foreign` are names of filters that this kind of document knows nothing of.
    fn filter(&self, foreign: &[&str]) -> Result<(DocumentFilter, MinSequence), ApiError> {
        let problems = Problems::default();
        let owners = [("agent", &self.agent), ("project", &self.project), ("personality", &self.personality)];
        for (name, _) in owners.iter().filter(|(name, value)| value.is_some() && foreign.contains(name)) {
            problems.add(*name, "is no filter of this list");
        }
        let min_sequence = MinSequence::read(&problems, self.min_sequence.as_deref());
        let filter = DocumentFilter {
            agent: self.agent.clone(),
            project: self.project.clone(),
            personality: self.personality.clone(),
            q: read(&problems, "q", self.q.as_deref(), "is at most 1000 characters long", short),
            after: self.cursor.clone(),
            limit: read(&problems, "limit", self.limit.as_deref(), "is a whole number from 1", limit),
        };
        Ok((problems.check(Some(filter))?, min_sequence))
    }
}

/// What comes with a write besides its path and body.
pub struct Asked {
    app: Arc<App>,
    caller: Caller,
    query: WriteQuery,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let caller = Extension::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        let query = Query::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        Ok(Self { app: app.clone(), caller: caller.0, query: query.0, headers: parts.headers.clone() })
    }
}

async fn index<D: Kind>(
    app: &Arc<App>,
    uri: &Uri,
    query: &DocumentQuery,
    foreign: &[&str],
) -> Result<Response, ApiError> {
    let (filter, min_sequence) = query.filter(foreign)?;
    min_sequence.settle(app).await?;
    if let Some(as_of) = &query.as_of {
        return past::documents(app, uri, as_of, &filter, D::text, D::is_of, D::shown).await;
    }
    let page = D::page(&app.tables, &filter).await?;
    let shown: Vec<_> = page.items.iter().map(D::shown).collect();
    Ok(list(&shown, page.next.as_deref(), page.sequence, uri))
}

async fn show<D: Kind>(app: &Arc<App>, name: &str, query: &PastQuery) -> Result<Response, ApiError> {
    let found = match &query.as_of {
        Some(as_of) => past::document(app, as_of, name).await?,
        None => D::one(&app.tables, name).await?.value,
    };
    let found = found.ok_or_else(|| not_found::<D>(name))?;
    Ok(Json(D::shown(&found)).into_response())
}

async fn create<D: Kind>(asked: Asked, body: Body) -> Result<Response, ApiError> {
    let Asked { app, caller, query, headers } = asked;
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, &format!("POST /{}", D::LIST), &body)?;
    let (name, command) = creation::<D>(&app, &caller, &body)?;
    let mut written = write(&app, &caller, command, key, query).await?;
    let shown = left::<D>(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::CREATED, shown))
}

/// The command that creates what a body holds.
pub(super) fn creation<D: Kind>(app: &App, caller: &Caller, body: &[u8]) -> Result<(Name, Command), ApiError> {
    let (name, definition) = new::<D>(body)?;
    access::allow(app, caller, Verb::Create, D::RESOURCE, Some(&name))?;
    may_speak_for(app, caller, Verb::Create, &definition)?;
    D::allow(&definition, None, caller)?;
    let create = Create { id: app.clock.id(), name: name.clone(), owner: caller.user.id, definition };
    Ok((name, D::create(create)))
}

async fn replace<D: Kind>(asked: Asked, path: &str, body: Body) -> Result<Response, ApiError> {
    let Asked { app, caller, query, headers } = asked;
    let body = json::read_json(body, &app.config.args).await?;
    let key = idempotency(&headers, &caller, &format!("PUT /{}/{path}", D::LIST), &body)?;
    let name = path_name::<D>(&app, path)?;
    let command = replacement::<D>(&app, &caller, &name, if_match(&headers)?, &body)?;
    let mut written = write(&app, &caller, command, key, query).await?;
    let shown = left::<D>(&app, &mut written, &name).await?;
    Ok(written.answer(StatusCode::OK, shown))
}

/// The command that replaces a definition by what a body holds.
pub(super) fn replacement<D: Kind>(
    app: &App,
    caller: &Caller,
    name: &Name,
    if_match: Option<u64>,
    body: &[u8],
) -> Result<Command, ApiError> {
    let old = app.look(|state| D::documents(state).get(name).map(|document| document.definition.clone()));
    // What is not there has no name to be wrong about: that it is not there is what is said then.
    let definition = redefined::<D>(old.is_some().then_some(name), body)?;
    D::allow(&definition, old.as_deref(), caller)?;
    may_speak_for(app, caller, Verb::Edit, &definition)?;
    if let Some(old) = &old {
        may_speak_for(app, caller, Verb::Edit, &**old)?;
    }
    let by = access::hand(app, caller, Verb::Edit, D::RESOURCE, name);
    Ok(D::put(Put { name: name.clone(), by, if_match, definition }))
}

/// Whoever acts by a grant changes how nobody speaks whom they may not edit.
fn may_speak_for<D: Kind>(app: &App, caller: &Caller, verb: Verb, definition: &D) -> Result<(), ApiError> {
    let Some((kind, owner)) = definition.belongs_to() else { return Ok(()) };
    access::allow_besides(app, caller, verb, (Verb::Edit, kind, owner))
}

fn new<D: Kind>(body: &[u8]) -> Result<(Name, D), ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let name = fields.required_name("name");
    let definition = D::read(fields);
    problems.check(name.zip(definition))
}

fn redefined<D: Kind>(name: Option<&Name>, body: &[u8]) -> Result<D, ApiError> {
    let problems = Problems::default();
    let mut fields = Fields::parse(body, &problems)?;
    let given = fields.string("name");
    if given.zip(name).is_some_and(|(given, name)| given != **name) {
        fields.problem("name", "can't be changed: it is the name in the path");
    }
    let definition = D::read(fields);
    problems.check(definition)
}

async fn delete<D: Kind>(asked: Asked, path: &str) -> Result<Response, ApiError> {
    let Asked { app, caller, query, headers } = asked;
    let key = idempotency(&headers, &caller, &format!("DELETE /{}/{path}", D::LIST), b"")?;
    let name = path_name::<D>(&app, path)?;
    if let Some(old) = app.look(|state| D::documents(state).get(&name).map(|document| document.definition.clone())) {
        may_speak_for(&app, &caller, Verb::Delete, &*old)?;
    }
    let mut written = match write(&app, &caller, D::delete(name.clone()), key.clone(), query).await {
        Err(error) if error.code == "RECORD_TOO_LARGE" => {
            let relieve = D::relieve(&name).ok_or(error)?;
            write_all(&app, &caller, relieve, query).await?;
            write(&app, &caller, D::delete(name), key, query).await?
        }
        written => written?,
    };
    show_written(&app, &mut written, &[], |_, _| ()).await?;
    Ok(written.empty())
}

/// The document that a write left.
async fn left<D: Kind>(
    app: &Arc<App>,
    written: &mut super::written::Written,
    name: &Name,
) -> Result<D::Shown, ApiError> {
    let find = |state: &Registry, subjects: &[Subject]| {
        let [Subject::Project(name) | Subject::Personality(name) | Subject::Prompt(name)] = subjects else {
            return None;
        };
        D::documents(state).get(name).map(|document| D::shown(document))
    };
    let shown = show_written(app, written, &[D::subject(name.clone())], find).await?;
    shown.ok_or_else(|| if written.is_repeat() { not_rebuilt() } else { not_found::<D>(name) })
}

/// The name of the document that a path means by name or by id; a name wins.
fn path_name<D: Kind>(app: &App, text: &str) -> Result<Name, ApiError> {
    let name = Name::parse(text).ok();
    let found = app.look(|state| {
        let documents = D::documents(state);
        let by_id = || documents.by_id(Uuid::parse_str(text).ok()?);
        documents.get(text).or_else(by_id).map(|document| document.name.clone())
    });
    found.or(name).ok_or_else(|| not_found::<D>(text))
}

fn not_found<D: Kind>(name: &str) -> ApiError {
    ApiError::not_found(format!("{} not found: {}", D::TITLE, name.escape_default()))
}
