//! `create`: makes one Llm, agent, project, personality or prompt from flags.

use crate::apply::source;
use crate::args::Noun;
use crate::args::create::{self as flags, Create, TYPES};
use crate::client::failure;
use crate::client::route::Route;
use crate::exit::Usage;
use crate::label::Change;
use crate::output::{self, Format, clean};
use crate::shell::Shell;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Makes it.
pub async fn run(shell: &Shell, command: Create) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Name, Format::Json], "create")?;
    let (noun, body) = body(command)?;
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    let client = shell.client()?;
    let made = client.write(reqwest::Method::POST, &Route::api([noun.list()]), body.to_string(), None).await;
    let made = made.map_err(|error| failure::called(error, flag))?;
    if format == Format::Json {
        return shell.answer_json(&made.body);
    }
    let done = if format == Format::Name { "" } else { " created" };
    output::answer(&format!("{}/{}{done}\n", noun.word(), clean::line(&name)))?;
    if let Some(odd) = body["type"].as_str().filter(|word| !TYPES.contains(word)) {
        let (odd, known) = (clean::line(odd), TYPES.join(", "));
        shell.screen.note(&format!("'{odd}' is none of {known}: it is called as any server with OpenAI's API"));
    }
    Ok(())
}

/// What is asked of the server: nothing that was not given.
fn body(command: Create) -> anyhow::Result<(Noun, Value)> {
    let (noun, members) = match command {
        Create::Llm(llm) => (Noun::Llms, of_llm(llm)?),
        Create::Agent(agent) => (Noun::Agents, of_agent(agent)?),
        Create::Project(flags::Project { name, description }) => {
            (Noun::Projects, vec![("name", Some(json!(name))), ("description", description.map(Value::from))])
        }
        Create::Personality(flags::Personality { name, agent, description }) => {
            let description = description.map(Value::from);
            let members =
                vec![("name", Some(json!(name))), ("agent", Some(json!(agent))), ("description", description)];
            (Noun::Personalities, members)
        }
        Create::Prompt(prompt) => (Noun::Prompts, of_prompt(prompt)?),
    };
    let given = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Ok((noun, Value::Object(given.collect())))
}

/// The flag of what a pointer leads to.
fn flag(pointer: &str) -> Option<String> {
    let flag = match pointer.split('/').nth(1)? {
        "poolName" => "--pool",
        "apiKeyRef" => "--key-env or --key-file",
        "maxConcurrent" => "--max-concurrent",
        "labels" => "--label",
        "systemPrompt" => "--system",
        "defaultParams" => "--param",
        "name" => "NAME",
        field => return Some(format!("--{field}")),
    };
    Some(flag.to_owned())
}

type Members = Vec<(&'static str, Option<Value>)>;

fn of_llm(llm: flags::Llm) -> anyhow::Result<Members> {
    let key = llm.key_env.map(|name| json!({"env": name})).or_else(|| llm.key_file.map(|file| json!({"file": file})));
    Ok(vec![
        ("name", Some(json!(llm.name))),
        ("type", Some(json!(llm.type_))),
        ("model", Some(json!(llm.model))),
        ("url", Some(json!(llm.url))),
        ("description", llm.description.map(Value::from)),
        ("tier", llm.tier.map(Value::from)),
        ("poolName", llm.pool.map(Value::from)),
        ("apiKeyRef", key),
        ("maxConcurrent", llm.max_concurrent.map(Value::from)),
        ("labels", labels(llm.labels)?),
    ])
}

fn of_agent(agent: flags::Agent) -> anyhow::Result<Members> {
    let params: Map<String, Value> = agent.params.into_iter().collect();
    Ok(vec![
        ("name", Some(json!(agent.name))),
        ("llm", Some(json!(agent.llm))),
        ("description", agent.description.map(Value::from)),
        ("systemPrompt", text(agent.system, agent.system_file)?.map(Value::from)),
        ("project", agent.project.map(Value::from)),
        ("defaultParams", Some(params).filter(|params| !params.is_empty()).map(Value::from)),
        ("labels", labels(agent.labels)?),
    ])
}

fn of_prompt(prompt: flags::Prompt) -> anyhow::Result<Members> {
    Ok(vec![
        ("name", Some(json!(prompt.name))),
        ("agent", prompt.agent.map(Value::from)),
        ("project", prompt.project.map(Value::from)),
        ("personality", prompt.personality.map(Value::from)),
        ("content", text(prompt.content, prompt.content_file)?.map(Value::from)),
        ("priority", Some(json!(prompt.priority))),
    ])
}

fn text(given: Option<String>, file: Option<PathBuf>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(given) };
    Ok(Some(source::text(&file, "give a file of text, or - for stdin")?))
}

fn labels(changes: Vec<Change>) -> Result<Option<Value>, Usage> {
    let label = |change| match change {
        Change::Set(key, value) => Ok((key, Value::from(value))),
        Change::Remove(key) => Err(Usage(format!("a label is KEY=VALUE here: there is no '{key}' to take away yet"))),
    };
    let labels = changes.into_iter().map(label).collect::<Result<Map<_, _>, _>>()?;
    Ok(Some(labels).filter(|labels| !labels.is_empty()).map(Value::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};

    fn made(words: &str) -> (Noun, String) {
        let words: Vec<_> = format!("mcpctl create {words}").split(' ').map(Into::into).collect();
        let Command::Create(command) = Cli::read(&words).unwrap_or_else(|error| panic!("{error}")).command else {
            panic!("{words:?}")
        };
        let (noun, body) = body(command).unwrap();
        (noun, body.to_string())
    }

    #[test]
    fn a_body_has_what_was_given_and_nothing_else() {
        for (words, noun, body) in [
            (
                "llm gpt --type openai --model m --url http://h/v1 --key-env KEY --pool p -l a=b -l c=",
                Noun::Llms,
                r#"{"apiKeyRef":{"env":"KEY"},"labels":{"a":"b","c":""},"model":"m","name":"gpt","poolName":"p","type":"openai","url":"http://h/v1"}"#,
            ),
            (
                "agent a --llm l --system hi -p temperature=0.20 -p stop=x",
                Noun::Agents,
                r#"{"defaultParams":{"stop":"x","temperature":0.2},"llm":"l","name":"a","systemPrompt":"hi"}"#,
            ),
            ("project p", Noun::Projects, r#"{"name":"p"}"#),
            ("personality x --agent a", Noun::Personalities, r#"{"agent":"a","name":"x"}"#),
            (
                "prompt p --project q --content text --priority -3",
                Noun::Prompts,
                r#"{"content":"text","name":"p","priority":-3,"project":"q"}"#,
            ),
        ] {
            assert_eq!(made(words), (noun, body.to_owned()));
        }
    }
}
