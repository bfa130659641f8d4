//! The rows that a command is about: by their names, or by their labels.

use crate::args::RowNoun;
use crate::args::selector::Selector;
use crate::client::{Client, route::Route};
use crate::shell::Shell;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    name: String,
}

/// The names that were given, or those of all rows with these labels.
pub async fn names(
    shell: &Shell,
    client: &Client,
    noun: RowNoun,
    given: &[String],
    selector: Option<&Selector>,
) -> anyhow::Result<Vec<String>> {
    let Some(selector) = selector else { return Ok(given.to_vec()) };
    let rows: Vec<Row> = client.get(&Route::api([noun.list()]).with("label", Some(selector))).await?.read()?;
    if rows.is_empty() {
        shell.screen.note(&format!("no {} has the labels {selector}", noun.word()));
    }
    Ok(rows.into_iter().map(|row| row.name).collect())
}
