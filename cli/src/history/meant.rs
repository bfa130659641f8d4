//! What a name that nothing has may mean.

use crate::args::{One, RowNoun};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::exit::Stuck;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    #[serde(default)]
    pool_name: Option<String>,
}

/// The same error, with what may be meant if it says that there never was such a row.
pub async fn instead(client: &Client, of: &One, error: anyhow::Error) -> anyhow::Error {
    let problem = match error.downcast_ref::<Failure>() {
        Some(Failure::Refused(refusal)) if refusal.status == 404 => refusal.body.error.clone(),
        _ => return error,
    };
    let (Ok(agents), Ok(llms)) = (rows(client, RowNoun::Agent).await, rows(client, RowNoun::Llm).await) else {
        return error;
    };
    Stuck::new(problem, meant(of, &agents, &llms)).into()
}

async fn rows(client: &Client, noun: RowNoun) -> anyhow::Result<Vec<Row>> {
    Ok(client.get(&Route::api([noun.list()])).await?.read()?)
}

fn meant(of: &One, agents: &[Row], llms: &[Row]) -> String {
    let (own, others, other) = match of.noun {
        RowNoun::Agent => (agents, llms, RowNoun::Llm),
        RowNoun::Llm => (llms, agents, RowNoun::Agent),
    };
    if of.noun == RowNoun::Llm && llms.iter().any(|llm| llm.pool_name.as_ref() == Some(&of.name)) {
        return format!("it is the name of a pool: `mcpctl why llm {}` tells of that", of.name);
    }
    if let Some((noun, name)) = of.name.split_once('/').filter(|(noun, _)| matches!(*noun, "agent" | "llm")) {
        return format!("say `{noun} {name}`");
    }
    if others.iter().any(|row| row.name == of.name) {
        return format!("there is an {} of this name: say `{} {}`", title(other), other.word(), of.name);
    }
    let far = |name: &str| strsim::damerau_levenshtein(name, &of.name);
    let close = own.iter().map(|row| &row.name).min_by_key(|name| far(name));
    let Some(close) = close.filter(|name| far(name) <= 1 + of.name.len() / 4) else {
        let pools = "; a pool is there only while an Llm names it".to_owned();
        let pools = Some(pools).filter(|_| of.noun == RowNoun::Llm).unwrap_or_default();
        return format!("`mcpctl get {}` lists what there is{pools}", of.noun.list());
    };
    format!("did you mean '{close}'? `mcpctl get {}` lists what there is", of.noun.list())
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
        let meant = |noun, name: &str| meant(&One { noun, name: name.to_owned() }, &agents, &llms);
        let said = |text: &str| text.to_owned();
        assert_eq!(
            meant(RowNoun::Agent, "codr"),
            said("did you mean 'coder'? `mcpctl get agents` lists what there is")
        );
        assert_eq!(meant(RowNoun::Agent, "qwen"), said("there is an Llm of this name: say `llm qwen`"));
        assert_eq!(meant(RowNoun::Llm, "coder"), said("there is an agent of this name: say `agent coder`"));
        assert_eq!(meant(RowNoun::Agent, "agent/coder"), said("say `agent coder`"));
        assert_eq!(meant(RowNoun::Llm, "crew"), said("it is the name of a pool: `mcpctl why llm crew` tells of that"));
        let none = said("`mcpctl get llms` lists what there is; a pool is there only while an Llm names it");
        assert_eq!(meant(RowNoun::Llm, "zzzzzz"), none);
    }
}
