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
use mcpctl_events::wire::error::ErrorBody;
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
        let ErrorBody { error: sentence, details, .. } = &mut refusal.body;
        if let Some(first) = details.first() {
            at = wanted.place.of(&first.pointer);
            // The sentence is about the first one, and its line is before it.
            let said = format!("{}: {}", first.pointer, first.reason);
            if sentence.strip_prefix(&said).is_some_and(|rest| rest.is_empty() || rest.starts_with(" (and ")) {
                details.remove(0);
            }
        }
        for problem in details {
            let place = wanted.place.of(&problem.pointer);
            problem.pointer = if problem.pointer.is_empty() { place } else { format!("{place} {}", problem.pointer) };
        }
    }
    error.context(format!("{at}: {}", wanted.title()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::failure::Refusal;
    use mcpctl_events::wire::error::Problem;

    #[test]
    fn a_refusal_has_the_line_of_each_problem_and_says_none_twice() {
        let source =
            source::Source { name: "f.yaml".to_owned(), text: "kind: llm\nname: a\ntype: 1\nurl: x\n".to_owned() };
        let wanted = read::read(&[source]).unwrap().remove(0);
        let problem = |pointer: &str| Problem { pointer: pointer.to_owned(), reason: "is odd".to_owned() };
        let told = |sentence: &str, pointers: &[&str]| {
            let details = pointers.iter().map(|pointer| problem(pointer)).collect();
            let body = ErrorBody { error: sentence.to_owned(), code: "INVALID".to_owned(), details };
            let (status, subject) = (reqwest::StatusCode::BAD_REQUEST, None);
            let refusal = Refusal { status, body, subject, retry_after: None, by_model: false };
            let error = placed(Failure::Refused(Box::new(refusal)).into(), &wanted);
            let below = error.downcast_ref::<Failure>().map(|failure| failure.details().collect::<Vec<_>>());
            (format!("{error:#}"), below.unwrap_or_default())
        };
        let one = told("/url: is odd", &["/url"]);
        assert_eq!(one, ("f.yaml:4: llm/a: /url: is odd".to_owned(), vec![]));
        let (sentence, below) = told("/type: is odd (and 1 more)", &["/type", "/url"]);
        assert_eq!(sentence, "f.yaml:3: llm/a: /type: is odd (and 1 more)");
        assert_eq!(below, ["f.yaml:4 /url: is odd"]);
        let (sentence, below) = told("is used by others", &["agent/b"]);
        assert_eq!((&*sentence, &*below[0]), ("f.yaml:1: llm/a: is used by others", "f.yaml:1 agent/b: is odd"));
    }
}
