//! `GET /v1/models`: what can be called, and by what name.

use super::{error::OpenAiError, no_model};
use crate::{app::App, call::target::Target, error::ApiError};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use mcpctl_events::{
    state::{Agent, State as Registry},
    time::LogTime,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// A list of models, as OpenAI has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Models {
    object: &'static str,
    data: Vec<Model>,
}

/// Something that can be called.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Model {
    /// An Llm's name, a pool's, or `agent/<name>`.
    id: String,
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    /// Name of the user that it belongs to.
    owned_by: String,
    #[serde(skip)]
    target: Option<Target>,
}

/// Query of the list.
#[derive(Debug, Deserialize)]
pub struct ModelsQuery {
    #[serde(default)]
    all: bool,
}

/// Lists what can be called now.
#[utoipa::path(get, path = "/v1/models", operation_id = "listModels", tag = "openai",
    params(("all" = Option<bool>, Query, description = "also what cannot be called now")),
    responses((status = 200, body = Models), (status = "default", body = OpenAiError)))]
pub async fn index(State(app): State<Arc<App>>, Query(query): Query<ModelsQuery>) -> Json<Models> {
    let mut data = app.look(|state| known(&app, state));
    if !query.all {
        data.retain(|model| model.target.as_ref().is_some_and(|target| target.is_callable(&app)));
    }
    Json(Models { object: "list", data })
}

/// Reads one, whether or not it can be called now.
#[utoipa::path(get, path = "/v1/models/{model}", operation_id = "getModel", tag = "openai", params(("model" = String, Path)),
    responses((status = 200, body = Model), (status = "default", body = OpenAiError)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    let found = app.look(|state| known(&app, state)).into_iter().find(|model| model.id == id);
    Ok(Json(found.ok_or_else(|| no_model(&id))?))
}

/// Llms, pools that no Llm hides, and agents. An agent that cannot be called itself has no target.
fn known(app: &App, state: &Registry) -> Vec<Model> {
    let users: HashMap<Uuid, &str> = state.users.iter().map(|(name, id)| (*id, &**name)).collect();
    let model = |id: String, created: LogTime, owner: Option<Uuid>, target: Option<Target>| {
        let owner = owner.and_then(|owner| users.get(&owner)).copied().unwrap_or("mcpctl");
        Model { id, object: "model", created: created.as_millis() / 1000, owned_by: owner.to_owned(), target }
    };
    let llms = state.llms.iter().map(|llm| {
        let name = llm.name.to_string();
        model(name.clone(), llm.created_at, Some(llm.owner), Some(Target::Llm(llm.id, name)))
    });
    let pools = state.pools().filter(|(name, _)| state.llms.get(name).is_none()).map(|(name, members)| {
        let created = members.iter().filter_map(|member| Some(state.llms.get(member)?.created_at)).min();
        model(name.to_string(), created.unwrap_or_default(), None, Some(Target::Pool(name.to_string())))
    });
    let agents = state.agents.iter().map(|agent| {
        let target = is_there(app, state, agent).then(|| Target::pinned(&agent.definition.llm));
        model(format!("agent/{}", agent.name), agent.created_at, Some(agent.owner), target)
    });
    llms.chain(pools).chain(agents).collect()
}

fn is_there(app: &App, state: &Registry, agent: &Agent) -> bool {
    let is_connected = |session| app.relay.bound(session).is_some() || app.elsewhere(state, session).is_some();
    !agent.disabled && agent.is_live() && agent.session.as_ref().is_none_or(is_connected)
}
