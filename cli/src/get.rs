//! `get`: lists of agents, Llms, projects, sessions, tasks, … or one of them.

pub mod definition;
mod documents;
mod pages;
mod rows;
mod watch;

use crate::args::{Events, Get, Noun, word};
use crate::client::Answer;
use crate::client::route::Route;
use crate::exit::Usage;
use crate::output::document::Document;
use crate::output::table::Table;
use crate::output::times::Times;
use crate::output::{Format, clean, lines_of, yaml};
use crate::past;
use crate::shell::Shell;

const FORMATS: [Format; 5] = [Format::Table, Format::Wide, Format::Json, Format::Yaml, Format::Name];

/// Formats of what goes on: a line is a change.
const WATCHED: [Format; 4] = [Format::Table, Format::Wide, Format::Json, Format::Name];

/// Lists, or gets one.
pub async fn run(shell: &Shell, options: Get) -> anyhow::Result<()> {
    check(&options)?;
    if options.noun == Noun::Events {
        return crate::events::run(shell, &Events { after: options.after, ..Events::default() }).await;
    }
    if options.watch {
        let format = shell.format_in_pieces(&WATCHED, "get --watch")?;
        return watch::run(shell, &options, format).await;
    }
    let format = shell.format(&FORMATS, "get")?;
    let client = shell.client()?;
    let is_list = matches!(options.noun, Noun::Agents | Noun::Llms) && options.name.is_none();
    if is_list && !shell.screen.terminal_out && !shell.has_path() {
        return pages::run(shell, &client, &options, format).await;
    }
    let answer = client.get(&route(&options)).await.map_err(|error| past::called(error, "--as-of"))?;
    told_as_of(shell, &options, &answer);
    if format == Format::Json {
        return shell.answer_json(&answer.body);
    }
    let text = match format {
        Format::Yaml => {
            let documents = documents(&answer)?;
            let defined = documents.into_iter().map(|d| yaml::write(&definition::of(options.noun, d)));
            defined.collect::<Vec<_>>().join("---\n")
        }
        Format::Name => names(options.noun, &documents(&answer)?),
        _ => {
            let wide = format == Format::Wide;
            let table = table(options.noun, &answer, wide, shell.screen.times(wide))?;
            if table.is_empty() {
                shell.screen.note(&nothing(&options));
            }
            shell.screen.table(&table, wide)
        }
    };
    Ok(crate::output::answer(&text)?)
}

/// Says which moment of the past is shown, where that is not the one that was named.
fn told_as_of(shell: &Shell, options: &Get, answer: &Answer) {
    if let (Some(as_of), Some(at)) = (&options.as_of, answer.sequence)
        && *as_of != at.to_string()
    {
        shell.screen.note(&match as_of.parse::<u64>() {
            Ok(asked) => format!("as of event {at}, with which the change ends that event {asked} belongs to"),
            Err(_) => format!("as of event {at}, the last until then"),
        });
    }
}

/// Refuses flags that the noun has no use for.
fn check(options: &Get) -> Result<(), Usage> {
    let rows = matches!(options.noun, Noun::Agents | Noun::Llms);
    let of_agents = matches!(options.noun, Noun::Threads | Noun::Personalities | Noun::Prompts);
    let of_the_log = past::NOUNS.contains(&options.noun);
    let filtered = options.kind.is_some() || options.status.is_some() || options.selector.is_some();
    let problem = if filtered && !rows {
        "--kind, --status and -l are for `get agents` and `get llms`"
    } else if filtered && options.name.is_some() {
        "--kind, --status and -l filter lists; leave them out with a name"
    } else if options.as_of.is_some() && !of_the_log {
        "--as-of is for what is on the log: agents, llms, projects, personalities, prompts and sessions"
    } else if options.watch && options.noun == Noun::Events {
        "`mcpctl events -f` follows events"
    } else if options.watch && options.as_of.is_some() {
        "--watch is for what comes, --as-of for what was"
    } else if options.watch && options.noun == Noun::Threads && options.name.is_some() {
        "--watch is for lists of threads; leave out the id"
    } else if options.agent.is_some() && !of_agents {
        "--agent is for `get threads`, `get personalities` and `get prompts`"
    } else if options.agent.is_some() && options.name.is_some() && options.noun != Noun::Threads {
        "--agent filters lists; leave it out with a name"
    } else if options.after.is_some() && options.noun != Noun::Events {
        "--after is for `get events`"
    } else if options.noun == Noun::Threads && options.agent.is_none() && options.name.is_none() {
        "`get threads` needs --agent NAME, or the id of one thread"
    } else if options.noun == Noun::Threads && options.agent.is_some() && options.name.is_some() {
        "`get thread ID` needs no --agent"
    } else if options.noun == Noun::Events && options.name.is_some() {
        "events have no names; `mcpctl events` has --after, --type and --subject"
    } else {
        return Ok(());
    };
    Err(Usage(problem.to_owned()))
}

fn route(options: &Get) -> Route {
    let list = options.noun.list();
    let route = match (&options.name, &options.agent) {
        (Some(name), _) => Route::api([list, name]),
        (None, Some(agent)) if options.noun == Noun::Threads => Route::api(["agents", agent, "threads"]),
        (None, agent) => Route::api([list]).with("agent", agent.as_ref()),
    };
    let route = route.with("asOf", options.as_of.as_ref()).with("label", options.selector.as_ref());
    route.with("kind", options.kind.as_ref().and_then(word)).with("status", options.status.as_ref().and_then(word))
}

/// The rows of an answer, which is a list or one row.
fn documents(answer: &Answer) -> anyhow::Result<Vec<Document>> {
    Ok(match Document::parse(&answer.body)? {
        Document::List(documents) => documents,
        one => vec![one],
    })
}

fn names(noun: Noun, documents: &[Document]) -> String {
    let key = if matches!(noun, Noun::Threads | Noun::Sessions | Noun::Tasks) { "id" } else { "name" };
    let word = noun.word();
    let lines = documents.iter().map(|d| format!("{word}/{}", clean::line(&crate::events::word(d, key))));
    lines_of(lines)
}

/// The rows of an answer as a table.
pub fn table(noun: Noun, answer: &Answer, wide: bool, times: Times) -> anyhow::Result<Table> {
    let rows =
        if answer.body.trim_start().starts_with('[') { answer.body.clone() } else { format!("[{}]", answer.body) };
    let answer = Answer { body: rows, sequence: answer.sequence, next: None };
    Ok(match noun {
        Noun::Agents => rows::agents(&answer.read::<Vec<_>>()?, wide),
        Noun::Llms => rows::llms(&answer.read::<Vec<_>>()?, wide),
        Noun::Projects => documents::projects(&answer.read::<Vec<_>>()?, wide),
        Noun::Personalities => documents::personalities(&answer.read::<Vec<_>>()?, wide),
        Noun::Prompts => documents::prompts(&answer.read::<Vec<_>>()?, wide),
        Noun::Tasks => rows::tasks(&answer.read::<Vec<_>>()?, wide, times),
        Noun::Sessions => rows::sessions(&answer.read::<Vec<_>>()?, wide, times),
        Noun::Threads | Noun::Events => rows::threads(&answer.read::<Vec<_>>()?, times),
    })
}

fn nothing(options: &Get) -> String {
    let of_an_agent = options.agent.is_some() && options.noun != Noun::Threads;
    if options.as_of.is_some() {
        return "there was none then".to_owned();
    }
    let filtered = options.kind.is_some() || options.status.is_some() || options.selector.is_some();
    match (options.noun, filtered || of_an_agent) {
        (Noun::Projects, false) => "no projects yet; `mcpctl create project NAME` makes one".to_owned(),
        (Noun::Personalities, false) => "no personalities yet; `mcpctl create personality NAME` makes one".to_owned(),
        (Noun::Prompts, false) => "no prompts yet; `mcpctl create prompt NAME` makes one".to_owned(),
        (Noun::Threads, _) => "no threads yet".to_owned(),
        (Noun::Tasks, _) => "no tasks yet; `mcpctl chat-llm LLM --async -m TEXT` makes one".to_owned(),
        (Noun::Sessions, _) => "no publisher of yours is registered; an admin sees those of others".to_owned(),
        (_, true) => "nothing matches".to_owned(),
        _ => "nothing is registered yet; `mcplocal` publishes what its config.json names".to_owned(),
    }
}
