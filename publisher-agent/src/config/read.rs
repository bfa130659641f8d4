//! `config.json`, field by field.

use super::{
    ApiKey, Config, Echo, Kind, Provider, Recipe, Sleep, Wake,
    fields::{Fields, Findings, Problem},
    secrets,
};
use crate::{base_url, secret::Secret};
use hyper::{Method, header::HeaderName, header::HeaderValue};
use mcpctl_events::wire::publish::AgentEntry;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

const DEFAULT_WAIT_SECONDS: u32 = 60;

pub(super) fn config(text: &str) -> Result<Config, Vec<Problem>> {
    let mut found = Findings::default();
    let mut config = Config::default();
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => {
            if let Some(fields) = Fields::of(raw, "", &mut found) {
                (config.providers, config.agents) = whole(fields, &mut found);
            }
        }
        Err(error) => found.problem("", format!("is not JSON: {error}")),
    }
    if !found.problems.is_empty() {
        return Err(found.problems);
    }
    config.warnings = found.warnings;
    Ok(config)
}

/// Fields at the top that are not the publisher's may be somebody else's, and are not looked at.
fn whole(mut fields: Fields<'_>, found: &mut Findings) -> (Vec<Provider>, Vec<AgentEntry>) {
    let mut providers = Vec::new();
    let mut names = BTreeSet::new();
    if let Some(mut llm) = fields.object("llm", found) {
        for one in llm.objects("providers", found) {
            let at = one.at("name");
            let provider = provider(one, found);
            check_own_name(&provider.name, &at, &mut names, found);
            providers.push(provider);
        }
    }
    let (mut agents, mut names) = (Vec::new(), BTreeSet::new());
    for one in fields.objects("agents", found) {
        let at = one.at("name");
        let agent = agent(one, found);
        check_own_name(&agent.name, &at, &mut names, found);
        agents.push(agent);
    }
    (providers, agents)
}

fn check_own_name(name: &str, at: &str, names: &mut BTreeSet<String>, found: &mut Findings) {
    if check_name(name, at, found) && !name.is_empty() && !names.insert(name.to_owned()) {
        found.problem(at, format!("`{name}` is there twice"));
    }
}

/// The registry takes no other names, be they ours or of something that we refer to. An empty name was reported where
/// it was read.
fn check_name(name: &str, at: &str, found: &mut Findings) -> bool {
    let good = name.is_empty() || is_name(name);
    if !good {
        found.problem(at, format!("`{name}` is no name: use a-z, 0-9 and `. _ -` inside, at most 100 characters"));
    }
    good
}

/// The name of something that there may be.
fn reference(fields: &mut Fields<'_>, key: &str, found: &mut Findings) -> Option<String> {
    let at = fields.at(key);
    let name = fields.text(key, found)?;
    if name.is_empty() {
        found.problem(&at, "must not be empty");
    }
    check_name(&name, &at, found);
    Some(name)
}

pub(super) fn is_name(name: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = bytes.first().copied().is_some_and(edge) && bytes.last().copied().is_some_and(edge);
    ends && bytes.len() <= 100 && bytes.iter().all(|&byte| edge(byte) || b"._-".contains(&byte))
}

fn provider(mut fields: Fields<'_>, found: &mut Findings) -> Provider {
    let name = fields.required("name", found);
    let kind = kind(&mut fields, found);
    let model = fields.required("model", found);
    let base = base(&mut fields, kind, found);
    let extra_config = extra_config(&mut fields, found);
    let echo = match (&extra_config, kind) {
        (Some(raw), Some(Kind::Echo)) => echo(raw, &fields.at("extraConfig"), found),
        _ => Echo::default(),
    };
    let provider = Provider {
        name,
        kind: kind.unwrap_or(Kind::OpenAi),
        model,
        base,
        api_key: fields.object("apiKey", found).and_then(|key| api_key(key, found)),
        tier: fields.text("tier", found),
        description: fields.text("description", found),
        pool_name: reference(&mut fields, "poolName", found),
        publish: fields.flag("publish", found).unwrap_or(false),
        max_concurrent: fields.number("maxConcurrent", 1, 100_000, found),
        labels: fields.strings("labels", "an object of strings", found),
        extra_config,
        echo,
        wake: fields.object("wake", found).and_then(|recipe| wake(recipe, found)),
        sleep: fields.object("sleep", found).and_then(|recipe| put_to_sleep(recipe, found)),
    };
    if provider.sleep.is_some() && provider.wake.is_none() {
        found.problem(&fields.at("sleep"), "needs a `wake` beside it: nothing else would bring the model back");
    }
    fields.done(found);
    provider
}

fn extra_config(fields: &mut Fields<'_>, found: &mut Findings) -> Option<Box<RawValue>> {
    let extra_config = fields.opaque("extraConfig", found)?;
    if let Some(key) = secrets::find(&extra_config) {
        let reason = format!("`{key}` looks like a secret, and all of this is published: use the provider's `apiKey`");
        found.problem(&fields.at("extraConfig"), reason);
    }
    Some(extra_config)
}

/// None after a problem.
fn kind(fields: &mut Fields<'_>, found: &mut Findings) -> Option<Kind> {
    let word = fields.required("type", found);
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word);
    if kind.is_none() && !word.trim().is_empty() {
        let known = Kind::ALL.map(Kind::word).join(", ");
        found.problem(&fields.at("type"), format!("`{word}` is not one of {known}"));
    }
    kind
}

fn base(fields: &mut Fields<'_>, kind: Option<Kind>, found: &mut Findings) -> String {
    let url = fields.text("url", found).filter(|url| !url.trim().is_empty());
    let Some(kind) = kind else { return String::new() };
    match Provider::new("", kind, "", url.as_deref()) {
        Ok(provider) => provider.base,
        Err(reason) => {
            found.problem(&fields.at("url"), reason);
            String::new()
        }
    }
}

fn api_key(mut fields: Fields<'_>, found: &mut Findings) -> Option<ApiKey> {
    let at = fields.at("");
    let key = match (fields.text("env", found), fields.text("file", found)) {
        (Some(name), None) if !name.is_empty() => Some(ApiKey::Env(name)),
        (None, Some(file)) if !file.is_empty() => Some(ApiKey::File(file.into())),
        _ => {
            found.problem(at.trim_end_matches('/'), "must have either `env` or `file`, never the key itself");
            None
        }
    };
    fields.done(found);
    key
}

fn echo(raw: &RawValue, at: &str, found: &mut Findings) -> Echo {
    let Some(mut fields) = Fields::of(raw, at, found) else { return Echo::default() };
    let delay = fields.number("chunkDelayMs", 0, 60_000, found).unwrap_or(0);
    Echo { chunk_delay: Duration::from_millis(delay.into()), reply: fields.text("reply", found) }
}

/// None after a problem.
fn recipe(fields: &mut Fields<'_>, found: &mut Findings) -> Option<Recipe> {
    match fields.required("type", found).as_str() {
        "command" => Some(Recipe::Command {
            command: fields.required("command", found),
            args: fields.strings("args", "a list of strings", found).unwrap_or_default(),
        }),
        "http" => Some(http_recipe(fields, found)),
        "" => None,
        other => {
            found.problem(&fields.at("type"), format!("`{other}` is not one of command, http"));
            None
        }
    }
}

fn put_to_sleep(mut fields: Fields<'_>, found: &mut Findings) -> Option<Sleep> {
    let recipe = recipe(&mut fields, found);
    let after = fields.number("afterIdleSeconds", 1, 604_800, found);
    if after.is_none() {
        found.problem(&fields.at("afterIdleSeconds"), "is required: a whole number of seconds");
    }
    if recipe.is_some() {
        fields.done(found);
    }
    Some(Sleep { recipe: recipe?, after_idle: Duration::from_secs(after?.into()) })
}

fn wake(mut fields: Fields<'_>, found: &mut Findings) -> Option<Wake> {
    let recipe = recipe(&mut fields, found);
    let max_wait_seconds = fields.number("maxWaitSeconds", 1, 86_400, found).unwrap_or(DEFAULT_WAIT_SECONDS);
    if recipe.is_some() {
        fields.done(found);
    }
    Some(Wake { recipe: recipe?, max_wait_seconds })
}

fn http_recipe(fields: &mut Fields<'_>, found: &mut Findings) -> Recipe {
    let url = fields.required("url", found);
    if !url.is_empty()
        && let Err(reason) = base_url::check(url.split('?').next().unwrap_or_default())
    {
        found.problem(&fields.at("url"), reason);
    }
    let method = fields.text("method", found).unwrap_or_else(|| "POST".to_owned());
    if Method::from_bytes(method.as_bytes()).is_err() {
        found.problem(&fields.at("method"), "is no HTTP method");
    }
    let headers: BTreeMap<String, Secret> =
        fields.strings("headers", "an object of strings", found).unwrap_or_default();
    for (name, value) in &headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value.expose()).is_err() {
            found.problem(&format!("{}/{name}", fields.at("headers")), "is no HTTP header");
        }
    }
    let body = fields.raw("body").map(|raw| serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().into()));
    Recipe::Http { url: url.into(), method, headers, body }
}

fn agent(mut fields: Fields<'_>, found: &mut Findings) -> AgentEntry {
    let name = fields.required("name", found);
    let llm_name = fields.required("llm", found);
    check_name(&llm_name, &fields.at("llm"), found);
    let agent = AgentEntry {
        name,
        llm_name,
        description: fields.text("description", found),
        system_prompt: fields.text("systemPrompt", found),
        project: reference(&mut fields, "project", found),
        default_params: fields.opaque("defaultParams", found),
        extras: fields.opaque("extras", found),
        labels: fields.strings("labels", "an object of strings", found),
    };
    fields.done(found);
    agent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = config(text).expect_err("refused");
        found.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.reason)).collect()
    }

    #[test]
    fn the_whole_of_it() {
        let read = config(
            r#"{"other": 1, "llm": {"providers": [
              {"name": "vllm-local", "type": "openai", "model": "Qwen/x", "url": "http://127.0.0.1:8000/v1",
               "apiKey": {"env": "VLLM_KEY"}, "tier": "fast", "description": "d", "poolName": "qwen", "publish": true,
               "maxConcurrent": 4, "wake": {"type": "command", "command": "systemctl", "args": ["start", "vllm"]}},
              {"name": "e", "type": "echo", "model": "echo", "extraConfig": {"chunkDelayMs": 5, "reply": null}},
              {"name": "o", "type": "ollama", "model": "m", "wake": {"type": "http", "url": "http://h/up?x=1",
               "headers": {"x-a": "b"}, "body": {"n": 1.50}, "maxWaitSeconds": 5}}]},
              "agents": [{"name": "local-coder", "llm": "vllm-local", "systemPrompt": "Be terse.",
                "defaultParams": {"temperature": 0.20}, "project": null}]}"#,
        )
        .expect("valid");
        let [vllm, echo, ollama] = &read.providers[..] else { panic!("three providers") };
        assert_eq!((vllm.base.as_str(), vllm.publish, vllm.max_concurrent), ("http://127.0.0.1:8000", true, Some(4)));
        assert_eq!(vllm.api_key, Some(ApiKey::Env("VLLM_KEY".to_owned())));
        assert_eq!(vllm.wake.as_ref().map(|wake| wake.max_wait_seconds), Some(60));
        assert_eq!((echo.publish, echo.echo.chunk_delay), (false, Duration::from_millis(5)));
        assert_eq!(ollama.base, "http://127.0.0.1:11434");
        let Some(Wake { recipe: Recipe::Http { method, body, .. }, max_wait_seconds: 5 }) = &ollama.wake else {
            panic!("{:?}", ollama.wake)
        };
        assert_eq!((method.as_str(), body.as_ref().map(Secret::expose)), ("POST", Some(r#"{"n": 1.50}"#)));
        let params = read.agents[0].default_params.as_ref().map(|raw| raw.get());
        assert_eq!(params, Some(r#"{"temperature": 0.20}"#));
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    }

    #[test]
    fn a_kind_of_server_is_where_it_usually_is() {
        let usual = [("vllm", 8000), ("ollama", 11434), ("lmstudio", 1234), ("llamacpp", 8080)];
        for (kind, port) in usual {
            let text = format!(r#"{{"llm": {{"providers": [{{"name": "x", "type": "{kind}", "model": "m"}}]}}}}"#);
            let read = config(&text).expect("valid");
            assert_eq!(read.providers[0].base, format!("http://127.0.0.1:{port}"), "{kind}");
        }
        assert!(config(r#"{"llm": {"providers": [{"name": "x", "type": "openai", "model": "m"}]}}"#).is_err());
    }

    #[test]
    fn what_a_wake_sends_is_never_shown() {
        let read = config(
            r#"{"llm": {"providers": [{"name": "o", "type": "ollama", "model": "m", "wake": {"type": "http",
              "url": "http://h/s3cret", "headers": {"authorization": "Bearer s3cret"}, "body": "s3cret"}}]}}"#,
        );
        let shown = format!("{:?}", read.expect("valid"));
        assert!(shown.contains("authorization") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_put_to_sleep_must_have_a_way_to_wake() {
        let found = problems(
            r#"{"llm": {"providers": [
                {"name": "a", "type": "ollama", "model": "m", "sleep": {"type": "command", "command": "x", "afterIdleSeconds": 60}},
                {"name": "b", "type": "ollama", "model": "m", "wake": {"type": "command", "command": "x"},
                 "sleep": {"type": "command", "command": "y"}}]}}"#,
        );
        let expected = [
            "/llm/providers/0/sleep: needs a `wake` beside it: nothing else would bring the model back",
            "/llm/providers/1/sleep/afterIdleSeconds: is required: a whole number of seconds",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let found = problems(
            r#"{"llm": {"providers": [
                {"name": "x", "type": "openai", "publish": true},
                {"name": "Bad Name", "type": "gpt", "model": 7, "apiKey": {"env": "A", "file": "b"}},
                {"name": "x", "type": "vllm", "model": "m", "url": "nope", "maxConcurrent": 0,
                 "wake": {"type": "sing"}}, 5]},
              "agents": [{"name": "a"}, {"name": "a", "llm": "x", "defaultParams": []}]}"#,
        );
        let expected = [
            "/llm/providers/3: must be an object",
            "/llm/providers/0/model: is required",
            "/llm/providers/0/url: openai: url is required (no default endpoint for this provider)",
            "/llm/providers/1/type: `gpt` is not one of openai, vllm, ollama, lmstudio, llamacpp, echo",
            "/llm/providers/1/model: must be a string",
            "/llm/providers/1/apiKey: must have either `env` or `file`, never the key itself",
            "/llm/providers/1/name: `Bad Name` is no name: use a-z, 0-9 and `. _ -` inside, at most 100 characters",
            "/llm/providers/2/url: must begin with http:// or https://",
            "/llm/providers/2/maxConcurrent: must be a whole number from 1 to 100000",
            "/llm/providers/2/wake/type: `sing` is not one of command, http",
            "/llm/providers/2/name: `x` is there twice",
            "/agents/0/llm: is required",
            "/agents/1/defaultParams: must be an object",
            "/agents/1/name: `a` is there twice",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_the_registry_would_refuse_is_refused_here() {
        let found = problems(
            r#"{"llm": {"providers": [
                {"name": "x", "type": "echo", "model": "m", "poolName": "Bad Pool",
                 "extraConfig": {"max_tokens": 5, "headers": {"X-Api-Key": "s3cret"}}}]},
              "agents": [{"name": "a", "llm": "No Such NAME", "project": "Bad P"}, {"name": "b", "llm": "x", "project": ""}]}"#,
        );
        let no_name = "is no name: use a-z, 0-9 and `. _ -` inside, at most 100 characters";
        let expected = [
            "/llm/providers/0/extraConfig: `X-Api-Key` looks like a secret, and all of this is published: \
             use the provider's `apiKey`",
            &format!("/llm/providers/0/poolName: `Bad Pool` {no_name}"),
            &format!("/agents/0/llm: `No Such NAME` {no_name}"),
            &format!("/agents/0/project: `Bad P` {no_name}"),
            "/agents/1/project: must not be empty",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_json_says_where() {
        assert!(problems("{\n \"llm\": }")[0].contains("line 2"));
        assert_eq!(problems("[]"), [": must be an object"]);
        assert_eq!(problems(r#"{"llm": []}"#), ["/llm: must be an object"]);
    }

    #[test]
    fn typing_mistakes_are_said_but_harmless() {
        let read = config(r#"{"agents": [{"name": "a", "llm": "x", "sytemPrompt": ""}]}"#).expect("valid");
        assert_eq!(read.warnings, ["/agents/0/sytemPrompt: is not known and ignored"]);
    }

    #[test]
    fn names() {
        let long = "a".repeat(100);
        for good in ["a", "0", "a.b_c-d", &long] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a b", &format!("{long}a"), "ü"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
