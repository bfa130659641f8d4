//! What an agent adds to a request: its system block, and its parameters.

use crate::error::ApiError;
use mcpctl_events::{definition::AgentDefinition, json::Json};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The agent's prompt, or `own` in its place, and after everything else `append`.
pub fn system_block(agent: &AgentDefinition, own: Option<&str>, append: Option<&str>) -> String {
    let own = own.or(agent.system_prompt.as_deref());
    [own, append].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
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
