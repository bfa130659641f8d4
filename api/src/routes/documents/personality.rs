//! `/api/v1/personalities`.

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
    definition::document::PersonalityDefinition,
    name::Name,
    state::Document,
    wire::{documents::Personality, error::ErrorBody},
};
use mcpctl_projector::{
    Tables,
    store::{At, DocumentFilter, Page, StoreError},
};
use std::sync::Arc;

impl Kind for PersonalityDefinition {
    const LIST: &'static str = "personalities";
    const RESOURCE: Resource = Resource::Personality;
    fn belongs_to(&self) -> Option<(Resource, &Name)> {
        Some((Resource::Agent, &self.agent))
    }

    type Shown = Personality;

    fn shown(document: &Document<Self>) -> Personality {
        Personality {
            id: document.id.to_string(),
            name: document.name.to_string(),
            agent: document.definition.agent.to_string(),
            description: document.definition.description.clone(),
            owner_id: document.owner.to_string(),
            version: document.version,
            created_at: document.created_at.to_string(),
            updated_at: document.updated_at.to_string(),
        }
    }

    fn read(mut fields: Fields<'_>) -> Option<Self> {
        let (agent, description) = (fields.required_name("agent"), fields.string("description"));
        fields.refuse_unknown();
        Some(Self { agent: agent?, description })
    }

    fn allow(_: &Self, _: Option<&Self>, _: &Caller) -> Result<(), ApiError> {
        Ok(())
    }

    fn text(&self) -> Option<&str> {
        self.description.as_deref()
    }

    fn is_of(&self, filter: &DocumentFilter) -> bool {
        filter.agent.as_deref().is_none_or(|agent| *agent == *self.agent)
    }

    fn create(create: Create<Self>) -> Command {
        Command::CreatePersonality(create)
    }

    fn put(put: Put<Self>) -> Command {
        Command::PutPersonality(put)
    }

    fn delete(name: Name) -> Command {
        Command::DeletePersonality(name)
    }

    async fn page(tables: &Tables, filter: &DocumentFilter) -> Result<Page<Document<Self>>, StoreError> {
        tables.personalities(filter).await
    }

    async fn one(tables: &Tables, name: &str) -> Result<At<Option<Document<Self>>>, StoreError> {
        tables.personality(name).await
    }
}

/// Lists personalities.
#[utoipa::path(get, path = "/api/v1/personalities", operation_id = "listPersonalities", tag = "registry", params(queries::PersonalityQuery),
    responses((status = 200, body = Vec<Personality>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(query): Query<DocumentQuery>,
) -> Result<Response, ApiError> {
    super::index::<PersonalityDefinition>(&app, &uri, &query, &["project", "personality"]).await
}

/// Reads a personality.
#[utoipa::path(get, path = "/api/v1/personalities/{name}", operation_id = "getPersonality", tag = "registry",
    params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Personality), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Response, ApiError> {
    super::show::<PersonalityDefinition>(&app, &name, &query).await
}

/// Creates a personality.
#[utoipa::path(post, path = "/api/v1/personalities", operation_id = "createPersonality", tag = "registry",
    params(WriteQuery, WriteHeaders), request_body = bodies::NewPersonality,
    responses((status = 201, body = Personality), (status = "default", body = ErrorBody)))]
pub async fn create(asked: Asked, body: Body) -> Result<Response, ApiError> {
    super::create::<PersonalityDefinition>(asked, body).await
}

/// Replaces a personality; a field left out returns to its default.
#[utoipa::path(put, path = "/api/v1/personalities/{name}", operation_id = "replacePersonality", tag = "registry",
    params(("name" = String, Path), WriteQuery, WriteHeaders, IfMatch), request_body = bodies::ReplacedPersonality,
    responses((status = 200, body = Personality), (status = "default", body = ErrorBody)))]
pub async fn replace(asked: Asked, Path(name): Path<String>, body: Body) -> Result<Response, ApiError> {
    super::replace::<PersonalityDefinition>(asked, &name, body).await
}

/// Deletes a personality with its prompts.
#[utoipa::path(delete, path = "/api/v1/personalities/{name}", operation_id = "deletePersonality", tag = "registry",
    params(("name" = String, Path), WriteQuery, WriteHeaders),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(asked: Asked, Path(name): Path<String>) -> Result<Response, ApiError> {
    super::delete::<PersonalityDefinition>(asked, &name).await
}
