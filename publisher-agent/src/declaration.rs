//! What this session publishes, given which model servers answer.

use crate::{
    availability::{State, States},
    config::{Config, Provider},
};
use mcpctl_events::wire::publish::{self, Register};
use std::collections::BTreeSet;

/// A full declaration: what is not in it is withdrawn.
pub fn declare(config: &Config, states: &States, session: &str) -> Register {
    let status = |provider: &Provider| match states.get(&provider.name) {
        Some(State::Up) => Some("active"),
        Some(State::Down | State::Asleep) if provider.wake.is_some() => Some("hibernating"),
        _ => None,
    };
    let providers = config.published().filter_map(|provider| Some(entry(provider, status(provider)?))).collect();
    let left_out = |llm: &str| {
        let mut named = published_as(config, llm).peekable();
        named.peek().is_some() && named.all(|provider| status(provider).is_none())
    };
    let agents = config.agents.iter().filter(|agent| !left_out(&agent.llm_name)).cloned().collect();
    Register { provider_session_id: Some(session.to_owned()), providers, agents }
}

/// The providers that an agent's `llm` means: the one of that name, else the members of that pool.
fn published_as<'a>(config: &'a Config, llm: &'a str) -> impl Iterator<Item = &'a Provider> {
    let by_name = config.published().any(|provider| provider.name == llm);
    let means = move |provider: &&Provider| {
        if by_name { provider.name == llm } else { provider.pool_name.as_deref() == Some(llm) }
    };
    config.published().filter(means)
}

/// The agents that are not in a declaration, because no model that they could use is.
pub fn left_out<'a>(config: &'a Config, declaration: &Register) -> Vec<&'a str> {
    let declared: BTreeSet<&str> = declaration.agents.iter().map(|agent| agent.name.as_str()).collect();
    config.agents.iter().map(|agent| agent.name.as_str()).filter(|name| !declared.contains(name)).collect()
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
    fn an_agent_on_a_pool_waits_for_a_member() {
        let config = Config::parse(
            r#"{"llm": {"providers": [
                {"name": "up", "type": "vllm", "model": "m", "publish": true},
                {"name": "one", "type": "vllm", "model": "m", "publish": true, "poolName": "qwen"},
                {"name": "two", "type": "vllm", "model": "m", "publish": true, "poolName": "qwen"},
                {"name": "private", "type": "vllm", "model": "m", "poolName": "far"}]},
              "agents": [{"name": "a", "llm": "up"}, {"name": "b", "llm": "qwen"}, {"name": "c", "llm": "far"}]}"#,
        )
        .expect("valid");
        let without = |states: [State; 3]| {
            let states = ["up", "one", "two"].map(str::to_owned).into_iter().zip(states).collect();
            left_out(&config, &declare(&config, &states, "s"))
        };
        assert_eq!(without([State::Up, State::Down, State::Missing]), ["b"]);
        assert_eq!(without([State::Up, State::Down, State::Up]), [""; 0]);
        assert_eq!(without([State::Down, State::Up, State::Down]), ["a"]);
    }

    #[test]
    fn without_the_model_a_recipe_does_not_help() {
        let none = declared(&[("plain", State::Unknown), ("sleepy", State::Missing)]);
        assert_eq!(names(&none["providers"]), [""; 0]);
        assert_eq!(none, declared(&[("plain", State::Locked), ("sleepy", State::Locked)]));
        assert_eq!(names(&none["agents"]), ["b", "c"]);
    }
}
