//! What a name that nothing has may mean.

use crate::args::{Noun, RowNoun};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::exit::Stuck;
use crate::shell::Shell;
use serde::Deserialize;

/// What is found by its name.
const NAMED: [Noun; 5] = [Noun::Agents, Noun::Llms, Noun::Projects, Noun::Personalities, Noun::Prompts];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    #[serde(default)]
    pool_name: Option<String>,
}

/// The same error, with what may be meant if it says that there is nothing of that name.
pub async fn instead(shell: &Shell, error: anyhow::Error) -> anyhow::Error {
    let missing = error.downcast_ref::<Failure>().and_then(Failure::missing);
    let noun = missing.as_ref().and_then(|missing| NAMED.into_iter().find(|noun| noun.list() == missing.list));
    let (Some(subject), Some(noun), Ok(client)) = (missing, noun, shell.client()) else { return error };
    match steps(&client, noun, &subject.name).await {
        Some(steps) => Stuck::new(format!("{error:#}"), steps).into(),
        None => error,
    }
}

/// The error of a name that nothing has.
pub async fn missing(client: &Client, noun: Noun, name: &str) -> anyhow::Error {
    let steps = steps(client, noun, name).await;
    let steps = steps.unwrap_or_else(|| format!("`mcpctl get {}` lists what there is", noun.list()));
    Stuck::new(format!("there is no {} '{name}'", noun.word()), steps).into()
}

/// The candidate that is spelled most alike, if any is.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = |name: &str| strsim::damerau_levenshtein(name, word);
    known.min_by_key(|name| far(name)).filter(|name| far(name) <= 1 + word.len() / 4)
}

/// What to try instead; none if the lists cannot be read.
async fn steps(client: &Client, noun: Noun, name: &str) -> Option<String> {
    let own = rows(client, noun).await.ok()?;
    let others = match noun {
        Noun::Agents => rows(client, Noun::Llms).await.ok()?,
        Noun::Llms => rows(client, Noun::Agents).await.ok()?,
        _ => Vec::new(),
    };
    Some(meant(noun, name, &own, &others))
}

async fn rows(client: &Client, noun: Noun) -> anyhow::Result<Vec<Row>> {
    Ok(client.get(&Route::api([noun.list()])).await?.read()?)
}

/// `others` are the agents where an Llm was asked for, and the other way round.
fn meant(noun: Noun, name: &str, own: &[Row], others: &[Row]) -> String {
    let other = if noun == Noun::Agents { RowNoun::Llm } else { RowNoun::Agent };
    if noun == Noun::Llms && own.iter().any(|llm| llm.pool_name.as_deref() == Some(name)) {
        return format!("it is the name of a pool: `mcpctl why llm {name}` tells of that");
    }
    if others.iter().any(|row| row.name == name) {
        return format!("there is an {} of this name: say `{} {name}`", title(other), other.word());
    }
    let list = noun.list();
    // What is missing is missing here, and not everywhere: it belongs to something else.
    if own.iter().any(|row| row.name == name) {
        return if noun == Noun::Personalities {
            format!("there is one of this name, of another agent: `mcpctl get {list}` lists what there is")
        } else {
            "it is there now; with --as-of, it was not there then".to_owned()
        };
    }
    if let Some(close) = closest(name, own.iter().map(|row| row.name.as_str())) {
        return format!("did you mean '{close}'? `mcpctl get {list}` lists what there is");
    }
    let pools = if noun == Noun::Llms { "; a pool is there only while an Llm names it" } else { "" };
    format!("`mcpctl get {list}` lists what there is{pools}")
}

fn title(noun: RowNoun) -> &'static str {
    match noun {
        RowNoun::Agent => "agent",
        RowNoun::Llm => "Llm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_has_may_be_misspelled_or_of_the_other_kind() {
        let row = |name: &str, pool: Option<&str>| Row { name: name.to_owned(), pool_name: pool.map(str::to_owned) };
        let (agents, llms) = ([row("coder", None), row("reviewer", None)], [row("qwen", Some("crew"))]);
        let agent = |name: &str| meant(Noun::Agents, name, &agents, &llms);
        let llm = |name: &str| meant(Noun::Llms, name, &llms, &agents);
        assert_eq!(agent("codr"), "did you mean 'coder'? `mcpctl get agents` lists what there is");
        assert_eq!(agent("qwen"), "there is an Llm of this name: say `llm qwen`");
        assert_eq!(llm("coder"), "there is an agent of this name: say `agent coder`");
        assert_eq!(llm("crew"), "it is the name of a pool: `mcpctl why llm crew` tells of that");
        assert_eq!(llm("zzzzzz"), "`mcpctl get llms` lists what there is; a pool is there only while an Llm names it");
        let prompts = [row("house-style", None)];
        assert_eq!(
            meant(Noun::Prompts, "house-stlye", &prompts, &[]),
            "did you mean 'house-style'? `mcpctl get prompts` lists what there is"
        );
    }
}
