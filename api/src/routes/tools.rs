//! `GET /api/v1/agents/:name/tools`: what the agent's model is offered, asked of the MCP servers of its project now.

use crate::{
    app::App,
    auth::Caller,
    error::ApiError,
    tools::{Allowed, Offer, Offered, offer},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use mcpctl_events::wire::{
    chat::{AgentTools, Tool, ToolServer},
    error::ErrorBody,
};
use serde::Deserialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use utoipa::IntoParams;

/// Query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ToolQuery {
    /// Names or globs, separated by commas, as in `allowTools`: whether each tool is among them.
    allow: Option<String>,
}

/// Lists the tools of an agent's project.
#[utoipa::path(get, path = "/api/v1/agents/{name}/tools", operation_id = "listTools", tag = "chat",
    params(("name" = String, Path), ToolQuery),
    responses((status = 200, body = AgentTools), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query<ToolQuery>,
) -> Result<Json<AgentTools>, ApiError> {
    let project = app.look(|state| {
        let agent = state.agents.get(&name)?;
        Some(agent.definition.project.as_ref().and_then(|project| state.projects.get(project)).cloned())
    });
    let project = project.ok_or_else(|| ApiError::not_found(format!("Agent not found: {}", name.escape_default())))?;
    let all = match project {
        Some(project) => offer(&app, caller.user.id, &project.definition, &Allowed::default()).await,
        None => Offer::default(),
    };
    let patterns = query.allow.map(|text| text.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect());
    Ok(Json(shown(&all, &Allowed::new(patterns))))
}

fn shown(all: &Offer, allowed: &Allowed) -> AgentTools {
    let server =
        |server: &crate::tools::Server| ToolServer { name: server.name.to_string(), problem: server.problem.clone() };
    AgentTools {
        servers: all.servers.iter().map(server).collect(),
        tools: all.tools.iter().filter_map(|offered| tool(offered, allowed)).collect(),
    }
}

fn tool(offered: &Offered, allowed: &Allowed) -> Option<Tool> {
    Some(Tool {
        name: offered.name.clone(),
        server: offered.server.to_string(),
        description: offered.tool.description.as_deref().map(str::to_owned),
        allowed: allowed.allows(&offered.name, &offered.tool.name),
        // A JSON object has string keys, so encoding cannot fail.
        input_schema: to_raw_value(&*offered.tool.input_schema).ok()?,
    })
}
