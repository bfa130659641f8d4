//! `/api/v1/prompts`.

use super::{Asked, DocumentQuery, Kind};
use crate::{
    app::App,
    auth::Caller,
    error::ApiError,
    json::Fields,
    routes::{
        openapi::{bodies, queries},
        past::PastQuery,
        written::{IfMatch, WriteHeaders, WriteQuery},
    },
};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::Uri,
    response::Response,
};
use mcpctl_events::{
    access::Kind as Resource,
    command::{Command, Create, Put},
    definition::document::{PromptDefinition, PromptOwner},
    name::Name,
    state::Document,
    wire::{documents::Prompt, error::ErrorBody},
};
use mcpctl_projector::{
    Tables,
    store::{At, DocumentFilter, Page, StoreError},
};
use std::sync::Arc;

const ONE_OWNER: &str = "exactly one of `agent`, `project` and `personality` says whose the prompt is";

impl Kind for PromptDefinition {
    const LIST: &'static str = "prompts";
    const RESOURCE: Resource = Resource::Prompt;
    fn belongs_to(&self) -> Option<(Resource, &Name)> {
        Some(match &self.owner {
            PromptOwner::Agent(name) => (Resource::Agent, name),
            PromptOwner::Project(name) => (Resource::Project, name),
            PromptOwner::Personality(name) => (Resource::Personality, name),
        })
    }

    type Shown = Prompt;

    fn shown(document: &Document<Self>) -> Prompt {
        let definition = &document.definition;
        let owned = |name: &Name| Some(name.to_string());
        let (agent, project, personality) = match &definition.owner {
            PromptOwner::Agent(name) => (owned(name), None, None),
            PromptOwner::Project(name) => (None, owned(name), None),
            PromptOwner::Personality(name) => (None, None, owned(name)),
        };
        Prompt {
            id: document.id.to_string(),
            name: document.name.to_string(),
            content: definition.content.clone(),
            priority: definition.priority,
            agent,
            project,
            personality,
            owner_id: document.owner.to_string(),
            version: document.version,
            created_at: document.created_at.to_string(),
            updated_at: document.updated_at.to_string(),
        }
    }

    fn read(mut fields: Fields<'_>) -> Option<Self> {
        let (content, priority) = (fields.required_string("content"), fields.integer("priority"));
        let owners = ["agent", "project", "personality"];
        let given = owners.iter().filter(|name| fields.is_there(name)).count();
        let agent = fields.name("agent").map(PromptOwner::Agent);
        let project = fields.name("project").map(PromptOwner::Project);
        let personality = fields.name("personality").map(PromptOwner::Personality);
        if given != 1 {
            fields.problem("", ONE_OWNER);
        }
        fields.refuse_unknown();
        let owner = agent.or(project).or(personality)?;
        Some(Self { content: content?, priority: priority.unwrap_or_default(), owner })
    }

    fn allow(_: &Self, _: Option<&Self>, _: &Caller) -> Result<(), ApiError> {
        Ok(())
    }

    fn text(&self) -> Option<&str> {
        Some(&self.content)
    }

    fn is_of(&self, filter: &DocumentFilter) -> bool {
        let (agent, project, personality) = match &self.owner {
            PromptOwner::Agent(name) => (Some(&**name), None, None),
            PromptOwner::Project(name) => (None, Some(&**name), None),
            PromptOwner::Personality(name) => (None, None, Some(&**name)),
        };
        let fits = |wanted: &Option<String>, owner: Option<&str>| wanted.is_none() || wanted.as_deref() == owner;
        fits(&filter.agent, agent) && fits(&filter.project, project) && fits(&filter.personality, personality)
    }

    fn create(create: Create<Self>) -> Command {
        Command::CreatePrompt(create)
    }

    fn put(put: Put<Self>) -> Command {
        Command::PutPrompt(put)
    }

    fn delete(name: Name) -> Command {
        Command::DeletePrompt(name)
    }

    async fn page(tables: &Tables, filter: &DocumentFilter) -> Result<Page<Document<Self>>, StoreError> {
        tables.prompts(filter).await
    }

    async fn one(tables: &Tables, name: &str) -> Result<At<Option<Document<Self>>>, StoreError> {
        tables.prompt(name).await
    }
}

/// Lists prompts.
#[utoipa::path(get, path = "/api/v1/prompts", operation_id = "listPrompts", tag = "registry", params(queries::PromptQuery),
    responses((status = 200, body = Vec<Prompt>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(query): Query<DocumentQuery>,
) -> Result<Response, ApiError> {
    super::index::<PromptDefinition>(&app, &uri, &query, &[]).await
}

/// Reads a prompt.
#[utoipa::path(get, path = "/api/v1/prompts/{name}", operation_id = "getPrompt", tag = "registry",
    params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Prompt), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Response, ApiError> {
    super::show::<PromptDefinition>(&app, &name, &query).await
}

/// Creates a prompt.
#[utoipa::path(post, path = "/api/v1/prompts", operation_id = "createPrompt", tag = "registry",
    params(WriteQuery, WriteHeaders), request_body = bodies::NewPrompt,
    responses((status = 201, body = Prompt), (status = "default", body = ErrorBody)))]
pub async fn create(asked: Asked, body: Body) -> Result<Response, ApiError> {
    super::create::<PromptDefinition>(asked, body).await
}

/// Replaces a prompt; a field left out returns to its default.
#[utoipa::path(put, path = "/api/v1/prompts/{name}", operation_id = "replacePrompt", tag = "registry",
    params(("name" = String, Path), WriteQuery, WriteHeaders, IfMatch), request_body = bodies::ReplacedPrompt,
    responses((status = 200, body = Prompt), (status = "default", body = ErrorBody)))]
pub async fn replace(asked: Asked, Path(name): Path<String>, body: Body) -> Result<Response, ApiError> {
    super::replace::<PromptDefinition>(asked, &name, body).await
}

/// Deletes a prompt.
#[utoipa::path(delete, path = "/api/v1/prompts/{name}", operation_id = "deletePrompt", tag = "registry",
    params(("name" = String, Path), WriteQuery, WriteHeaders),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(asked: Asked, Path(name): Path<String>) -> Result<Response, ApiError> {
    super::delete::<PromptDefinition>(asked, &name).await
}
