//! What this session publishes, given which model servers answer.

use crate::{
    availability::{State, States},
    config::{Config, Provider},
};
use mcpctl_events::wire::publish::{self, Register};

/// A full declaration: what is not in it is withdrawn.
pub fn declare(config: &Config, states: &States, session: &str) -> Register {
    let status = |provider: &Provider| match states.get(&provider.name) {
        Some(State::Up) => Some("active"),
        Some(State::Down) if provider.wake.is_some() => Some("hibernating"),
        _ => None,
    };
    let providers = config.published().filter_map(|provider| Some(entry(provider, status(provider)?))).collect();
    let left_out = |name: &str| config.published().any(|provider| provider.name == name && status(provider).is_none());
    let agents = config.agents.iter().filter(|agent| !left_out(&agent.llm_name)).cloned().collect();
    Register { provider_session_id: Some(session.to_owned()), providers, agents }
}

fn entry(provider: &Provider, status: &str) -> publish::Provider {
    publish::Provider {
        name: provider.name.clone(),
        kind: provider.kind.word().to_owned(),
        model: provider.model.clone(),
        tier: provider.tier.clone(),
        description: provider.description.clone(),
        pool_name: provider.pool_name.clone(),
        extra_config: provider.extra_config.clone(),
        initial_status: Some(status.to_owned()),
        max_concurrent: provider.max_concurrent,
        max_wait_seconds: provider.wake.as_ref().map(|wake| wake.max_wait_seconds),
        labels: provider.labels.clone(),
    }
}

/// Whether there is nothing in it.
pub fn is_empty(declaration: &Register) -> bool {
    declaration.providers.is_empty() && declaration.agents.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(states: &[(&str, State)]) -> serde_json::Value {
        let config = Config::parse(
            r#"{"llm": {"providers": [
                {"name": "plain", "type": "vllm", "model": "m", "publish": true},
                {"name": "sleepy", "type": "ollama", "model": "m", "publish": true,
                 "wake": {"type": "command", "command": "true", "maxWaitSeconds": 9}},
                {"name": "private", "type": "ollama", "model": "m"}]},
              "agents": [{"name": "a", "llm": "plain"}, {"name": "b", "llm": "private"}, {"name": "c", "llm": "else"},
                {"name": "d", "llm": "sleepy", "defaultParams": {"temperature": 0.20}}]}"#,
        )
        .expect("valid");
        let states = states.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect();
        serde_json::to_value(declare(&config, &states, "s")).expect("JSON")
    }

    fn names(list: &serde_json::Value) -> Vec<&str> {
        list.as_array().into_iter().flatten().filter_map(|entry| entry["name"].as_str()).collect()
    }

    #[test]
    fn all_up() {
        let all = declared(&[("plain", State::Up), ("sleepy", State::Up)]);
        assert_eq!(names(&all["providers"]), ["plain", "sleepy"]);
        assert_eq!(names(&all["agents"]), ["a", "b", "c", "d"]);
        assert_eq!(all["providers"][0]["initialStatus"], "active");
        assert_eq!(all["providers"][1]["maxWaitSeconds"], 9);
        assert_eq!(all["agents"][1]["llmName"], "private");
    }

    #[test]
    fn down_is_hibernating_only_with_a_recipe() {
        let some = declared(&[("plain", State::Down), ("sleepy", State::Down)]);
        assert_eq!(names(&some["providers"]), ["sleepy"]);
        assert_eq!(some["providers"][0]["initialStatus"], "hibernating");
        assert_eq!(names(&some["agents"]), ["b", "c", "d"]);
    }

    #[test]
    fn without_the_model_a_recipe_does_not_help() {
        let none = declared(&[("plain", State::Unknown), ("sleepy", State::Missing)]);
        assert_eq!(names(&none["providers"]), [""; 0]);
        assert_eq!(names(&none["agents"]), ["b", "c"]);
    }
}
