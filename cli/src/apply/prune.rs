//! `apply --prune`: deletes what has the labels and no document any more.

use super::read::Wanted;
use crate::along;
use crate::args::Noun;
use crate::args::selector::Selector;
use crate::client::{Client, route::Route};
use crate::output::{self, Screen, clean};
use serde::Deserialize;

/// Those that others are pinned to go last.
const NOUNS: [Noun; 2] = [Noun::Agents, Noun::Llms];

#[derive(Deserialize)]
struct Row {
    name: String,
}

/// The rows that are to go. Only public ones are: what a publisher declares is its own, and would come back.
pub async fn left(client: &Client, selector: &Selector, all: &[Wanted]) -> anyhow::Result<Vec<(Noun, String)>> {
    let mut left = Vec::new();
    for noun in NOUNS {
        let route = Route::api([noun.list()]).with("label", Some(selector)).with("kind", Some("public"));
        let rows: Vec<Row> = client.get(&route).await?.read()?;
        let has_document = |name: &String| all.iter().any(|wanted| (wanted.noun, &wanted.name) == (noun, name));
        let names = rows.into_iter().map(|row| row.name).filter(|name| !has_document(name));
        left.extend(names.map(|name| (noun, name)));
    }
    Ok(left)
}

/// Deletes one.
pub async fn run(screen: Screen, client: &Client, noun: Noun, name: &str) -> anyhow::Result<()> {
    let along = along::with(client, noun, name).await;
    client.delete(&Route::api([noun.list(), name])).await.map_err(|error| titled(error, noun, name))?;
    told(screen, noun, name, along, "went")
}

/// Tells of one, and of what goes along.
pub fn told(screen: Screen, noun: Noun, name: &str, along: Option<String>, goes: &str) -> anyhow::Result<()> {
    let title = title(noun, name);
    output::answer(&format!("{title} pruned\n"))?;
    if let Some(along) = along {
        screen.note(&format!("with {title} {goes} {along}"));
    }
    Ok(())
}

/// The same failure, with what it is about.
pub fn titled(error: anyhow::Error, noun: Noun, name: &str) -> anyhow::Error {
    error.context(format!("{} is not pruned", title(noun, name)))
}

fn title(noun: Noun, name: &str) -> String {
    format!("{}/{}", noun.word(), clean::line(name))
}
