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

/// Deletes public rows alone: what a publisher declares is its own, and would come back.
pub async fn run(
    screen: Screen,
    client: &Client,
    selector: &Selector,
    all: &[Wanted],
    dry_run: bool,
) -> anyhow::Result<()> {
    for noun in NOUNS {
        let route = Route::api([noun.list()]).with("label", Some(selector)).with("kind", Some("public"));
        let rows: Vec<Row> = client.get(&route).await?.read()?;
        let has_document = |row: &Row| all.iter().any(|wanted| (wanted.noun, &wanted.name) == (noun, &row.name));
        for row in rows.iter().filter(|row| !has_document(row)) {
            let along = along::with(client, noun, &row.name).await;
            if !dry_run {
                client.delete(&Route::api([noun.list(), &row.name])).await?;
            }
            let title = format!("{}/{}", noun.word(), clean::line(&row.name));
            output::answer(&format!("{title} pruned\n"))?;
            if let Some(along) = along {
                screen.note(&format!("with {title} {} {along}", if dry_run { "would go" } else { "went" }));
            }
        }
    }
    Ok(())
}
