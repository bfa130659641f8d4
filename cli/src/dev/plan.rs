//! What `dev` publishes: what config.json says, else what runs on this machine, else a demo.

use super::names;
use super::probe::{self, Found};
use crate::exit::Usage;
use crate::home;
use crate::output::Screen;
use mcplocal::config::Config;
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
        let candidates: Vec<_> = probe::CANDIDATES.into_iter().filter(|c| Some(c.port) != own_port).collect();
        let found = probe::look(&candidates).await?;
        screen.note(&report(&found));
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
    let config = Config::load(path).map_err(|invalid| Usage(invalid.to_string()))?;
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
    let mut taken = BTreeSet::new();
    let mut providers = Vec::new();
    for Found { candidate, models } in found {
        for model in models.iter().flatten().filter(|m| !is_embedding(m)).take(MODELS) {
            let name = names::claim(model, &mut taken);
            let description = format!("{model} on this machine's {}", candidate.label);
            providers.push(json!({"name": name, "type": candidate.kind, "model": model, "url": candidate.url(),
                "description": description, "publish": true}));
        }
    }
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

/// Embedding models cannot chat; servers list them among the others.
fn is_embedding(model: &str) -> bool {
    model.to_ascii_lowercase().contains("embed")
}

fn report(found: &[Found]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Found { candidate, models } in found {
        let Some(models) = models else { continue };
        let place = format!("found {} at 127.0.0.1:{}", candidate.label, candidate.port);
        lines.push(match models.len() {
            0 => format!("{place}, but it has no models yet"),
            n if n > MODELS => format!("{place} with {n} models; {MODELS} of them are published"),
            _ => format!("{place}: {}", models.join(", ")),
        });
    }
    let missing = found.iter().filter(|f| f.models.is_none());
    let missing: Vec<_> = missing.map(|f| format!("{} (port {})", f.candidate.label, f.candidate.port)).collect();
    if !missing.is_empty() {
        lines.push(format!("not running here: {}", missing.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(models: &[Option<&[&str]>]) -> Vec<Found> {
        let one = |(i, m): (usize, Option<&[&str]>)| Found {
            candidate: probe::CANDIDATES[i],
            models: m.map(|ids| ids.iter().map(|&id| id.to_owned()).collect()),
        };
        models.iter().copied().enumerate().map(one).collect()
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.expected.iter().map(String::as_str).collect()
    }

    #[test]
    fn every_found_model_is_published_and_the_first_gets_an_agent() {
        let found = found(&[Some(&["nomic-embed-text", "llama3.2:latest"]), None, Some(&["meta/llama3.2"])]);
        let plan = from_servers(&found).unwrap().unwrap();
        assert_eq!(names(&plan), ["agent/demo", "llm/llama3.2", "llm/llama3.2-2"]);
        assert_eq!(plan.config.agents[0].llm_name, "llama3.2");
        assert_eq!(plan.config.providers[1].model, "meta/llama3.2");
        assert!(plan.config.providers[1].base.starts_with("http://127.0.0.1:8000"));
        assert_eq!(
            report(&found),
            "found Ollama at 127.0.0.1:11434: nomic-embed-text, llama3.2:latest\n\
             found vLLM at 127.0.0.1:8000: meta/llama3.2\nnot running here: LM Studio (port 1234)"
        );
    }

    #[test]
    fn a_server_with_many_models_does_not_flood_the_registry() {
        let plan = from_servers(&found(&[Some(&["a", "b", "c", "d", "e", "f", "g"])])).unwrap().unwrap();
        assert_eq!(plan.expected.len(), MODELS + 1);
        assert!(from_servers(&found(&[Some(&[]), None])).unwrap().is_none());
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
        assert!(read("not json").unwrap_err().is::<Usage>());
        std::fs::remove_file(&path).unwrap();
    }
}
