//! `apply --prune`: deletes what has the labels and no document any more.

use super::read::Wanted;
use crate::args::Noun;
use crate::args::selector::Selector;
use crate::client::{Client, route::Route};
use crate::get::definition::kind;
use crate::output::{self, clean};
use serde::Deserialize;

/// Those that others are pinned to go last.
const NOUNS: [Noun; 2] = [Noun::Agents, Noun::Llms];

#[derive(Deserialize)]
struct Row {
    name: String,
}

/// Deletes public rows alone: what a publisher declares is its own, and would come back.
pub async fn run(client: &Client, selector: &Selector, all: &[Wanted], dry_run: bool) -> anyhow::Result<()> {
    for noun in NOUNS {
        let route = Route::api([noun.list()]).with("label", Some(selector)).with("kind", Some("public"));
        let rows: Vec<Row> = client.get(&route).await?.read()?;
        let has_document = |row: &Row| all.iter().any(|wanted| (wanted.noun, &wanted.name) == (noun, &row.name));
        for row in rows.iter().filter(|row| !has_document(row)) {
            if !dry_run {
                client.delete(&Route::api([noun.list(), &row.name])).await?;
            }
            output::answer(&format!("{}/{} pruned\n", kind(noun), clean::line(&row.name)))?;
        }
    }
    Ok(())
}
