//! `apply`: makes the registry hold what documents say.

pub mod read;

use crate::args::Apply;
use crate::client::{Client, failure::Failure, route::Route};
use crate::exit::Stuck;
use crate::get::definition;
use crate::output::document::Document;
use crate::output::{self, Format, clean, json};
use crate::shell::Shell;
use read::{Wanted, is_same};
use serde::Deserialize;
use std::io::Read;

/// Longest text that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// What of a row tells one state of it from another.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// Applies one document after the other, and stops at the first that fails.
pub async fn run(shell: &Shell, options: &Apply) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "apply")?;
    let all = read::read(&text(&options.file)?)?;
    if all.is_empty() {
        let next = "`mcpctl get agent NAME -o yaml` prints what a document looks like";
        return Err(Stuck::new(format!("there is no document in {}", shown(&options.file)), next).into());
    }
    let client = shell.client()?;
    let count = all.len();
    for (index, wanted) in all.into_iter().enumerate() {
        let done = apply(&client, &wanted, options.dry_run).await.inspect_err(|_| {
            let (kind, name, number) = (definition::kind(wanted.noun), clean::line(&wanted.name), index + 1);
            shell
                .screen
                .note(&format!("document {number} of {count}, {kind}/{name}, fails; what is before it is done"));
        })?;
        let line = format!("{}/{} {done}\n", definition::kind(wanted.noun), clean::line(&wanted.name));
        output::answer(&line)?;
    }
    if options.dry_run {
        shell.screen.note("nothing was changed: this was --dry-run");
    }
    Ok(())
}

async fn apply(client: &Client, wanted: &Wanted, dry_run: bool) -> anyhow::Result<&'static str> {
    let list = wanted.noun.list();
    let route = Route::api([list, &wanted.name]);
    let body = json::compact(&wanted.definition);
    let Some(row) = there(client, &route).await? else {
        if !dry_run {
            client.write(reqwest::Method::POST, &Route::api([list]), body, None).await?;
        }
        return Ok("created");
    };
    let before: Version = row.read()?;
    let found = definition::of(wanted.noun, Document::parse(&row.body)?);
    if is_same(&without_kind(found), &wanted.definition) {
        return Ok("unchanged");
    }
    if dry_run {
        return Ok("configured");
    }
    let answer = client.write(reqwest::Method::PUT, &route, body, Some(before.version)).await?;
    // What was left out may be what the row had by default.
    let after: Version = answer.read()?;
    Ok(if after.version == before.version { "unchanged" } else { "configured" })
}

/// What there is of this name.
async fn there(client: &Client, route: &Route) -> anyhow::Result<Option<crate::client::Answer>> {
    match client.get(route).await {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_not_found) => Ok(None),
        Err(error) => Err(error),
    }
}

fn without_kind(document: Document) -> Document {
    match document {
        Document::Map(members) => Document::Map(members.into_iter().filter(|(key, _)| key != "kind").collect()),
        other => other,
    }
}

fn text(file: &str) -> anyhow::Result<String> {
    let unreadable = |error: std::io::Error| {
        Stuck::new(format!("cannot read {}: {error}", shown(file)), "give a file of YAML or JSON, or - for stdin")
    };
    let mut text = String::new();
    if file == "-" {
        std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    }
    if text.len() as u64 > LONGEST {
        let problem = format!("{} is longer than {} MiB", shown(file), LONGEST >> 20);
        return Err(Stuck::new(problem, "split it; documents may be applied one after the other").into());
    }
    Ok(text)
}

fn shown(file: &str) -> String {
    if file == "-" { "stdin".to_owned() } else { clean::line(file).into_owned() }
}
