//! `apply`: makes the registry hold what documents say.

pub mod dry_run;
mod lines;
mod prune;
pub mod read;
pub mod source;
pub mod standing;
mod yaml;

use crate::along;
use crate::args::Apply;
use crate::args::selector::Selector;
use crate::client::failure::Failure;
use crate::client::{Client, route::Route};
use crate::exit::Stuck;
use crate::output::{self, Format, json};
use crate::shell::Shell;
use dry_run::Would;
use read::Wanted;
use standing::Standing;
use std::path::PathBuf;

/// Applies one document after the other, and stops at the first that fails; then deletes what has none any more, if asked.
pub async fn run(shell: &Shell, options: &Apply) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "apply")?;
    let whole = documents(&options.file, None)?;
    let all = selected(whole.clone(), options.selector.as_ref())?;
    let client = shell.client()?;
    let pruned = options.selector.as_ref().filter(|_| options.prune);
    if options.dry_run {
        try_all(shell, &client, &all, pruned, &whole).await?;
        shell.screen.note("nothing was changed: this was --dry-run");
        return Ok(());
    }
    apply_all(shell, &client, &all).await?;
    if let Some(selector) = pruned {
        for (noun, name) in prune::left(&client, selector, &whole).await? {
            prune::run(shell.screen, &client, noun, &name).await.inspect_err(|_| {
                shell.screen.note("all documents are applied; what comes after this row is not pruned");
            })?;
        }
    }
    Ok(())
}

async fn apply_all(shell: &Shell, client: &Client, all: &[Wanted]) -> anyhow::Result<()> {
    for (index, wanted) in all.iter().enumerate() {
        let done = apply(shell, client, wanted).await.map_err(|error| placed(error, wanted)).inspect_err(|_| {
            let before = if index == 0 { "nothing was done" } else { "what comes before it is done" };
            shell.screen.note(&format!("document {} of {} fails; {before}", index + 1, all.len()));
        })?;
        output::answer(&format!("{} {done}\n", wanted.title()))?;
    }
    Ok(())
}

/// Says what all of it would do. `whole` are also the documents that -l leaves out.
async fn try_all(
    shell: &Shell,
    client: &Client,
    all: &[Wanted],
    pruned: Option<&Selector>,
    whole: &[Wanted],
) -> anyhow::Result<()> {
    let deleted = match pruned {
        Some(selector) => prune::left(client, selector, whole).await?,
        None => Vec::new(),
    };
    let outlook = dry_run::run(client, all, &deleted).await?;
    for (wanted, would) in outlook.documents {
        let title = wanted.title();
        let done = match would.map_err(|error| placed(error, wanted))? {
            Would::Create(_) => "created",
            Would::Configure(standing, _) => {
                if let Some(told) = standing.taken_over(&title, false) {
                    shell.screen.note(&told);
                }
                "configured"
            }
            Would::Nothing => "unchanged",
        };
        output::answer(&format!("{title} {done}\n"))?;
    }
    for ((noun, name), would) in deleted.iter().zip(outlook.deletions) {
        would.map_err(|error| prune::titled(error, *noun, name))?;
        prune::told(shell.screen, *noun, name, along::with(client, *noun, name).await, "would go")?;
    }
    Ok(())
}

/// The documents of all files, or those of them that have these labels; there is at least one.
pub fn documents(files: &[PathBuf], selector: Option<&Selector>) -> anyhow::Result<Vec<Wanted>> {
    let sources = source::read(files)?;
    let all = read::read(&sources)?;
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    let names = names.join(", ");
    if all.is_empty() {
        let next = "`mcpctl get agent NAME -o yaml` prints what a document looks like";
        return Err(Stuck::new(format!("there is no document in {names}"), next).into());
    }
    selected(all, selector)
}

/// Those that have these labels; there is at least one.
fn selected(mut all: Vec<Wanted>, selector: Option<&Selector>) -> anyhow::Result<Vec<Wanted>> {
    let Some(selector) = selector else { return Ok(all) };
    all.retain(|wanted| selector.picks(&wanted.definition));
    if all.is_empty() {
        let next = "only Llms and agents have labels; leave -l out, or give the documents those labels";
        return Err(Stuck::new(format!("no document has the labels {selector}"), next).into());
    }
    Ok(all)
}

async fn apply(shell: &Shell, client: &Client, wanted: &Wanted) -> anyhow::Result<&'static str> {
    let body = json::compact(&wanted.definition);
    let Some(standing) = Standing::named(client, wanted.noun, &wanted.name).await? else {
        client.write(reqwest::Method::POST, &Route::api([wanted.noun.list()]), body, None).await?;
        return Ok("created");
    };
    if read::is_same(&standing.definition, &wanted.definition) {
        return Ok("unchanged");
    }
    // What was left out may be what the row had by default.
    let is_new = standing.put(client, &wanted.definition).await?;
    if let Some(told) = standing.taken_over(&wanted.title(), true).filter(|_| is_new) {
        shell.screen.note(&told);
    }
    Ok(if is_new { "configured" } else { "unchanged" })
}

/// The same failure, with the lines of the document, and of what the server names of it.
pub fn placed(mut error: anyhow::Error, wanted: &Wanted) -> anyhow::Error {
    let mut at = wanted.place.of("");
    if let Some(Failure::Refused(refusal)) = error.downcast_mut::<Failure>() {
        // The only one is the message already, and its line is before it.
        if let [problem] = refusal.body.details.as_slice()
            && refusal.body.error == format!("{}: {}", problem.pointer, problem.reason)
        {
            at = wanted.place.of(&problem.pointer);
            refusal.body.details.clear();
        } else if let Some(first) = refusal.body.details.first()
            && let Some(rest) = refusal.body.error.strip_prefix(&format!("{}: {}", first.pointer, first.reason))
        {
            // The same, and how many more there are; all of them are below it.
            let rest = rest.to_owned();
            at = wanted.place.of(&first.pointer);
            refusal.body.error = format!("{}: {}{rest}", first.pointer, first.reason);
            refusal.body.details.remove(0);
        }
        for (index, problem) in refusal.body.details.iter_mut().enumerate() {
            if index == 0 {
                at = wanted.place.of(&problem.pointer);
            }
            let place = wanted.place.of(&problem.pointer);
            problem.pointer = if problem.pointer.is_empty() { place } else { format!("{place} {}", problem.pointer) };
        }
    }
    error.context(format!("{at}: {}", wanted.title()))
}
