//! `/api/v1/projects`.

mod servers;

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
    definition::document::{McpTransport, ProjectDefinition},
    name::Name,
    state::Document,
    wire::{documents::Project, error::ErrorBody},
};
use mcpctl_projector::{
    Tables,
    store::{At, DocumentFilter, Page, StoreError},
};
use std::sync::Arc;

impl Kind for ProjectDefinition {
    const LIST: &'static str = "projects";
    const RESOURCE: Resource = Resource::Project;
    fn belongs_to(&self) -> Option<(Resource, &Name)> {
        None
    }

    type Shown = Project;

    fn shown(document: &Document<Self>) -> Project {
        Project {
            id: document.id.to_string(),
            name: document.name.to_string(),
            description: document.definition.description.clone(),
            mcp_servers: document.definition.mcp_servers.iter().map(servers::shown).collect(),
            owner_id: document.owner.to_string(),
            version: document.version,
            created_at: document.created_at.to_string(),
            updated_at: document.updated_at.to_string(),
        }
    }

    fn read(mut fields: Fields<'_>) -> Option<Self> {
        let description = fields.string("description");
        let mcp_servers = servers::read(&mut fields);
        fields.refuse_unknown();
        Some(Self { description, mcp_servers })
    }

    /// A command runs on the server: what was not there before takes an admin.
    fn allow(new: &Self, old: Option<&Self>, caller: &Caller) -> Result<(), ApiError> {
        let old = old.map_or(&[][..], |old| &old.mcp_servers);
        let mut fresh = new.mcp_servers.iter().filter(|server| !old.contains(server));
        if fresh.any(|server| matches!(server.transport, McpTransport::Stdio(_))) {
            return caller.must_be_admin("set", "the `command` of an MCP server");
        }
        Ok(())
    }

    fn text(&self) -> Option<&str> {
        self.description.as_deref()
    }

    fn is_of(&self, _: &DocumentFilter) -> bool {
        true
    }

    fn create(create: Create<Self>) -> Command {
        Command::CreateProject(create)
    }

    fn put(put: Put<Self>) -> Command {
        Command::PutProject(put)
    }

    fn relieve(name: &Name) -> Option<Command> {
        Some(Command::EmptyProject(name.clone()))
    }

    fn delete(name: Name) -> Command {
        Command::DeleteProject(name)
    }

    async fn page(tables: &Tables, filter: &DocumentFilter) -> Result<Page<Document<Self>>, StoreError> {
        tables.projects(filter).await
    }

    async fn one(tables: &Tables, name: &str) -> Result<At<Option<Document<Self>>>, StoreError> {
        tables.project(name).await
    }
}

/// Lists projects.
#[utoipa::path(get, path = "/api/v1/projects", operation_id = "listProjects", tag = "registry", params(queries::ProjectQuery),
    responses((status = 200, body = Vec<Project>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(query): Query<DocumentQuery>,
) -> Result<Response, ApiError> {
    super::index::<ProjectDefinition>(&app, &uri, &query, &["agent", "project", "personality"]).await
}

/// Reads a project.
#[utoipa::path(get, path = "/api/v1/projects/{name}", operation_id = "getProject", tag = "registry",
    params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Project), (status = "default", body = ErrorBody)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Response, ApiError> {
    super::show::<ProjectDefinition>(&app, &name, &query).await
}

/// Creates a project.
#[utoipa::path(post, path = "/api/v1/projects", operation_id = "createProject", tag = "registry",
    params(WriteQuery, WriteHeaders), request_body = bodies::NewProject,
    responses((status = 201, body = Project), (status = "default", body = ErrorBody)))]
pub async fn create(asked: Asked, body: Body) -> Result<Response, ApiError> {
    super::create::<ProjectDefinition>(asked, body).await
}

/// Replaces a project; a field left out returns to its default.
#[utoipa::path(put, path = "/api/v1/projects/{name}", operation_id = "replaceProject", tag = "registry",
    params(("name" = String, Path), WriteQuery, WriteHeaders, IfMatch), request_body = bodies::ReplacedProject,
    responses((status = 200, body = Project), (status = "default", body = ErrorBody)))]
pub async fn replace(asked: Asked, Path(name): Path<String>, body: Body) -> Result<Response, ApiError> {
    super::replace::<ProjectDefinition>(asked, &name, body).await
}

/// Deletes a project with its prompts; its agents are in no project then.
#[utoipa::path(delete, path = "/api/v1/projects/{name}", operation_id = "deleteProject", tag = "registry",
    params(("name" = String, Path), WriteQuery, WriteHeaders),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub async fn delete(asked: Asked, Path(name): Path<String>) -> Result<Response, ApiError> {
    super::delete::<ProjectDefinition>(asked, &name).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpctl_events::{
        command::User,
        definition::document::{McpCommand, McpServer},
        event::token::Role,
    };
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn running(command: &str) -> ProjectDefinition {
        let program = McpCommand { command: command.to_owned(), args: Vec::new(), env: BTreeMap::new() };
        let server = McpServer { name: Name::parse("a").unwrap(), transport: McpTransport::Stdio(program) };
        ProjectDefinition { description: None, mcp_servers: vec![server] }
    }

    #[test]
    fn only_an_admin_says_what_the_server_runs() {
        let caller =
            |role| Caller { user: User { id: Uuid::nil(), name: Name::parse("ann").unwrap() }, role, token: None };
        let (old, new) = (running("true"), running("false"));
        assert_eq!(Kind::allow(&new, Some(&old), &caller(Role::Admin)), Ok(()));
        let refused = Kind::allow(&new, Some(&old), &caller(Role::Editor)).unwrap_err();
        let why =
            "'ann' may not set the `command` of an MCP server: that takes role admin, and this token has role editor";
        assert_eq!(refused.message, why);
        assert!(Kind::allow(&new, None, &caller(Role::Editor)).is_err());
        let kept = ProjectDefinition { description: Some("new".to_owned()), ..old.clone() };
        assert_eq!(Kind::allow(&kept, Some(&old), &caller(Role::Editor)), Ok(()), "what an admin has set stays");
        assert_eq!(Kind::allow(&ProjectDefinition::default(), Some(&old), &caller(Role::Editor)), Ok(()));
    }
}
