//! What `dev` publishes: what config.json says, else what runs on this machine, else a demo.

use crate::exit::{Misconfigured, Stuck};
use crate::home;
use crate::output::Screen;
use mcplocal::config::Config;
use mcplocal::local::{self, CANDIDATES, Found};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// How many models of one server are published.
const MODELS: usize = 5;

/// What is going to be published.
#[derive(Debug)]
pub struct Plan {
    /// The publisher's configuration.
    pub config: Config,
    /// Agents and Llms to wait for, `agent/x` and `llm/y`.
    pub expected: BTreeSet<String>,
}

/// Decides, and says on stderr what was found and what was not.
pub async fn make(screen: Screen, probe: bool, own_port: Option<u16>) -> anyhow::Result<Plan> {
    let path = home::folder()?.join("config.json");
    if let Some(plan) = from_file(&path)? {
        plan.config.warnings.iter().for_each(|warning| screen.note(&format!("{}: {warning}", path.display())));
        let Some(reason) = idle(&plan) else {
            screen.note(&format!("publishing what {} says", path.display()));
            return Ok(plan);
        };
        screen.note(&format!("{} publishes nothing: {reason}", path.display()));
    }
    if probe {
        let candidates: Vec<_> = CANDIDATES.into_iter().filter(|c| Some(c.port) != own_port).collect();
        let found = local::look(&candidates).await;
        screen.note(&local::report(&found, MODELS));
        if let Some(plan) = from_servers(&found)? {
            return Ok(plan);
        }
    }
    screen.note("publishing an echo model and a demo agent");
    demo()
}

/// The file's plan, if there is a file. It may publish nothing.
fn from_file(path: &Path) -> anyhow::Result<Option<Plan>> {
    if !path.exists() {
        return Ok(None);
    }
    let config = Config::load(path).map_err(|invalid| {
        let next = "correct it; `mcplocal check` says whether all of it is right, and README what a provider may have";
        Misconfigured(Stuck::new(invalid.to_string(), next))
    })?;
    Ok(Some(expecting(config)))
}

/// Why a plan publishes nothing, if it does not.
fn idle(plan: &Plan) -> Option<&'static str> {
    match (plan.expected.is_empty(), plan.config.providers.is_empty()) {
        (false, _) => None,
        (true, true) => Some("it names no provider and no agent"),
        (true, false) => Some("no provider has \"publish\": true"),
    }
}

/// One Llm a model, and an agent for the first that can chat.
fn from_servers(found: &[Found]) -> anyhow::Result<Option<Plan>> {
    let providers = local::providers(found, MODELS);
    let Some(first) = providers.first().map(|p| p["name"].clone()) else { return Ok(None) };
    let agent = json!({"name": "demo", "llm": first, "description": "A helpful assistant on a local model",
        "systemPrompt": "You are a helpful assistant. Answer briefly and plainly."});
    planned(&providers, &agent).map(Some)
}

fn demo() -> anyhow::Result<Plan> {
    let echo = json!({"name": "echo", "type": "echo", "model": "echo", "publish": true,
        "description": "Says back what you say; no model server needed"});
    let agent = json!({"name": "demo", "llm": "echo", "description": "A demo: says back what you say"});
    planned(&[echo], &agent)
}

/// Takes the same way as a file, so that the publisher's rules hold for found models too.
fn planned(providers: &[Value], agent: &Value) -> anyhow::Result<Plan> {
    let text = json!({"llm": {"providers": providers}, "agents": [agent]}).to_string();
    let config = Config::parse(&text).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.pointer, p.reason)).collect();
        anyhow::anyhow!("what was found cannot be published: {}", problems.join("; "))
    })?;
    Ok(expecting(config))
}

fn expecting(config: Config) -> Plan {
    let llms = config.published().map(|p| format!("llm/{}", p.name));
    let expected = llms.chain(config.agents.iter().map(|a| format!("agent/{}", a.name))).collect();
    Plan { config, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<&str> {
        plan.expected.iter().map(String::as_str).collect()
    }

    #[test]
    fn every_found_model_is_published_and_the_first_gets_an_agent() {
        let models = Some(vec!["llama3.2:latest".to_owned(), "qwen3".to_owned()]);
        let plan = from_servers(&[Found { candidate: CANDIDATES[0], models, odd: None }]).unwrap().unwrap();
        assert_eq!(names(&plan), ["agent/demo", "llm/llama3.2", "llm/qwen3"]);
        assert_eq!(plan.config.agents[0].llm_name, "llama3.2");
        assert!(from_servers(&[Found { candidate: CANDIDATES[0], models: None, odd: None }]).unwrap().is_none());
    }

    #[test]
    fn the_demo_is_a_valid_configuration() {
        assert_eq!(names(&demo().unwrap()), ["agent/demo", "llm/echo"]);
    }

    #[test]
    fn a_file_counts_if_it_publishes_something_and_else_it_is_said_why_not() {
        let path = std::env::temp_dir().join(format!("mcpctl-plan-{}.json", std::process::id()));
        assert!(from_file(&path).unwrap().is_none());
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            from_file(&path).map(Option::unwrap)
        };
        let empty = read(r#"{"llm":{"providers":[]},"agents":[]}"#).unwrap();
        assert_eq!(idle(&empty), Some("it names no provider and no agent"));
        let text = r#"{"llm":{"providers":[{"name":"x","type":"echo","model":"m","pubish":true}]}}"#;
        let unpublished = read(text).unwrap();
        assert_eq!(idle(&unpublished), Some("no provider has \"publish\": true"));
        assert_eq!(unpublished.config.warnings, ["/llm/providers/0/pubish: is not known and ignored"]);
        let text = r#"{"llm":{"providers":[{"name":"x","type":"echo","model":"m","publish":true},
            {"name":"y","type":"echo","model":"m","publish":false}]},"agents":[{"name":"a","llm":"x"}]}"#;
        let plan = read(text).unwrap();
        assert_eq!((names(&plan), idle(&plan)), (vec!["agent/a", "llm/x"], None));
        assert!(read("not json").unwrap_err().is::<Misconfigured>());
        std::fs::remove_file(&path).unwrap();
    }
}
