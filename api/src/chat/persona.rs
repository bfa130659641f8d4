//! What an agent adds to a request: its system block, and its parameters.

use crate::error::ApiError;
use mcpctl_events::{
    definition::document::PromptOwner,
    json::Json,
    name::Name,
    state::{Agent, State},
};
use serde_json::value::RawValue;
use std::{cmp::Reverse, collections::BTreeMap};

/// What a caller wants of an agent's system block.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// Personality to speak with; the agent's default if it is left out.
    pub personality: Option<&'a Name>,
    /// In place of the agent's own prompt.
    pub own: Option<&'a str>,
    /// After everything else.
    pub append: Option<&'a str>,
}

/// The agent's own prompt; the prompts of the agent, of its project and of the personality, each by priority, high first,
/// then by name; and what the caller appends.
///
/// # Errors
/// 404: the agent has no such personality.
pub fn system_block(state: &State, agent: &Agent, wish: Wish<'_>) -> Result<String, ApiError> {
    let owners = [
        Some(PromptOwner::Agent(agent.name.clone())),
        agent.definition.project.clone().map(PromptOwner::Project),
        personality(state, agent, wish.personality)?.map(PromptOwner::Personality),
    ];
    let mut parts = vec![wish.own.or(agent.definition.system_prompt.as_deref()).unwrap_or_default()];
    for owner in owners.iter().flatten() {
        let mut prompts: Vec<_> = state.prompts_of(owner).map(|prompt| &prompt.definition).collect();
        prompts.sort_by_key(|prompt| Reverse(prompt.priority));
        parts.extend(prompts.into_iter().map(|prompt| prompt.content.as_str()));
    }
    parts.extend(wish.append);
    parts.retain(|part| !part.is_empty());
    Ok(parts.join("\n\n"))
}

/// The personality that speaks. A default that is not there, or not yet, has nothing to say.
fn personality(state: &State, agent: &Agent, asked: Option<&Name>) -> Result<Option<Name>, ApiError> {
    let own = |name: &Name| state.personalities.get(name).is_some_and(|it| it.definition.agent == agent.name);
    match asked {
        Some(name) if own(name) => Ok(Some(name.clone())),
        Some(name) => Err(no_personality(state, agent, name)),
        None => Ok(agent.definition.default_personality.clone().filter(own)),
    }
}

fn no_personality(state: &State, agent: &Agent, name: &Name) -> ApiError {
    let theirs: Vec<&str> = state.personalities_of(&agent.name).map(|it| it.name.as_str()).collect();
    ApiError::not_found(match theirs[..] {
        [] => format!("Personality not found: {name}; agent '{}' has none", agent.name),
        _ => format!("Personality not found: {name}; agent '{}' has: {}", agent.name, theirs.join(", ")),
    })
}

/// Parameters in the model API's own spelling.
pub type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Parameters of the request over the agent's defaults; the members of `extra` count as top-level ones.
pub fn params<'a>(defaults: Option<&'a Json>, asked: Option<&'a Json>) -> Result<Members<'a>, ApiError> {
    let mut merged = Members::new();
    for object in [defaults, asked].into_iter().flatten() {
        let mut members = members(object.get(), "/params")?;
        let extra = members.remove("extra").filter(|extra| extra.get() != "null");
        merged.extend(members);
        if let Some(extra) = extra {
            merged.extend(self::members(extra.get(), "/params/extra")?);
        }
    }
    for own in ["model", "messages", "stream"] {
        merged.remove(own);
    }
    Ok(merged)
}

fn members<'a>(object: &'a str, pointer: &str) -> Result<Members<'a>, ApiError> {
    serde_json::from_str(object).map_err(|_| ApiError::invalid(pointer, "is an object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_wins_over_the_defaults_and_extra_goes_up() {
        let json = |text: &str| Json::new(&RawValue::from_string(text.to_owned()).unwrap());
        let (defaults, asked) = (
            json(r#"{"temperature":0.2,"top_p":0.10,"extra":{"top_k":1}}"#),
            json(r#"{"temperature":0.9,"extra":{"top_k":4,"x":[1e400]},"messages":[]}"#),
        );
        let merged = params(Some(&defaults), Some(&asked)).unwrap();
        let merged: Vec<_> = merged.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        assert_eq!(merged, [("temperature", "0.9"), ("top_k", "4"), ("top_p", "0.10"), ("x", "[1e400]")]);
    }
}
