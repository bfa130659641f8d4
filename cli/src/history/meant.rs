//! What a name that nothing has may mean.

use crate::args::{One, RowNoun};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::exit::Stuck;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    name: String,
}

/// The same error, with what may be meant if it says that there never was such a row.
pub async fn instead(client: &Client, of: &One, error: anyhow::Error) -> anyhow::Error {
    let problem = match error.downcast_ref::<Failure>() {
        Some(Failure::Refused(refusal)) if refusal.status == 404 => refusal.body.error.clone(),
        _ => return error,
    };
    let (Ok(agents), Ok(llms)) = (names(client, RowNoun::Agent).await, names(client, RowNoun::Llm).await) else {
        return error;
    };
    match meant(of, &agents, &llms) {
        Some(next) => Stuck::new(problem, next).into(),
        None => error,
    }
}

async fn names(client: &Client, noun: RowNoun) -> anyhow::Result<Vec<String>> {
    let rows: Vec<Row> = client.get(&Route::api([noun.list()])).await?.read()?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

fn meant(of: &One, agents: &[String], llms: &[String]) -> Option<String> {
    let (own, others, other) = match of.noun {
        RowNoun::Agent => (agents, llms, RowNoun::Llm),
        RowNoun::Llm => (llms, agents, RowNoun::Agent),
    };
    if others.contains(&of.name) {
        return Some(format!("there is an {} of this name: say `{} {}`", title(other), other.word(), of.name));
    }
    let far = |name: &str| strsim::damerau_levenshtein(name, &of.name);
    let close = own.iter().min_by_key(|name| far(name)).filter(|name| far(name) <= 1 + of.name.len() / 4)?;
    Some(format!("did you mean '{close}'? `mcpctl get {}` lists what there is", of.noun.list()))
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
        let (agents, llms) = (["coder".to_owned(), "reviewer".to_owned()], ["qwen".to_owned()]);
        let meant = |noun, name: &str| meant(&One { noun, name: name.to_owned() }, &agents, &llms);
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(
            meant(RowNoun::Agent, "codr"),
            said("did you mean 'coder'? `mcpctl get agents` lists what there is")
        );
        assert_eq!(meant(RowNoun::Agent, "qwen"), said("there is an Llm of this name: say `llm qwen`"));
        assert_eq!(meant(RowNoun::Llm, "coder"), said("there is an agent of this name: say `agent coder`"));
        assert_eq!(meant(RowNoun::Agent, "gpt"), None);
    }
}
