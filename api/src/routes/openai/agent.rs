//! `agent/<name>` as a model: its system block and the defaults that the request leaves out are added, nothing else
//! changes.

use super::{CHAT, RESPONSES};
use crate::{
    app::App,
    call::{self, target::Target},
    chat::persona::{self, Wish},
    error::ApiError,
    request::ModelRequest,
};
use std::sync::Arc;

/// What the agent is pinned to, and the request as it goes there.
pub(super) async fn apply(
    app: &Arc<App>,
    name: &str,
    path: &'static str,
    request: &ModelRequest,
) -> Result<(Target, ModelRequest), ApiError> {
    let agent = app.look(|state| state.agents.get(name).cloned());
    let agent = agent.ok_or_else(|| super::no_model(&format!("agent/{name}")))?;
    let system = app.look(|state| persona::system_block(state, &agent, Wish::default()))?;
    let defaults = persona::params(agent.definition.default_params.as_ref(), None)?;
    let request = match path {
        CHAT => request.with_system_message(&system, &defaults)?,
        RESPONSES => request.with_instructions(&system, &defaults)?,
        _ => {
            let reason = format!("an agent answers at {CHAT} and {RESPONSES} only");
            return Err(ApiError::invalid("/model", reason));
        }
    };
    Ok((call::of_agent(app, &agent).await?, request))
}
