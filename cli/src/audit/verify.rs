//! `audit verify`: the server folds its log and compares its tables; old heads are looked for here, in the records
//! themselves.

use super::chain::Chain;
use super::head::Point;
use super::records::Lines;
use super::signed;
use super::steps::{odd, walk};
use crate::args::audit::Verify;
use crate::exit::Stuck;
use crate::output::progress::Bar;
use crate::output::{self, Format, clean, lines_of};
use crate::shell::Shell;
use mcpctl_events::wire::audit::{Step, Verified};
use serde::Serialize;

const BROKEN: &str = "keep the files as they are, and restore the log from a backup; or go on with what comes before, \
                      which `mcpctl audit export` writes";

const REBUILD: &str = "`mcpctl audit rebuild` makes it anew from the log; if memory is named above, start the server \
                       again after that, and verify once more: what was written meanwhile came from there";

/// Verifies, and says what was found. Tables that differ are no reason not to look at the heads.
pub async fn run(shell: &Shell, options: &Verify) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json], "audit verify")?;
    let signed = match &options.heads {
        Some(file) => Some(signed::read(file, options.head_key.as_deref(), shell.screen)?),
        None => None,
    };
    let Step::Verified(found) = walk(shell, "verify", "verifying", BROKEN).await? else {
        return Err(odd("it says nothing of a verification").into());
    };
    let wanted: Vec<_> = options.against.iter().chain(signed.iter().flatten()).copied().collect();
    if format == Format::Json {
        let heads = in_history(shell, wanted.clone()).await;
        let in_history = heads.is_ok().then_some(wanted.iter().map(ToString::to_string).collect());
        shell.answer_json(&serde_json::to_string(&Found { found: &found, in_history })?)?;
        heads?;
        return differ(&found).map_or(Ok(()), |differ| Err(differ.into()));
    }
    report(&found)?;
    in_history(shell, wanted).await?;
    let mut said: Vec<_> = options.against.iter().map(|head| format!("ok: {head} is in the history")).collect();
    if let Some(heads) = &signed {
        let last = heads.last().map_or_else(String::new, |last| format!(", the last of them {last}"));
        said.push(format!("ok: the signed heads are in the history: {}{last}", heads.len()));
    }
    output::answer(&lines_of(said))?;
    differ(&found).map_or(Ok(()), |differ| Err(differ.into()))
}

/// What was found, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    #[serde(flatten)]
    found: &'a Verified,
    /// The heads that were asked for, if all of them are in the history.
    in_history: Option<Vec<String>>,
}

/// The failure that differing tables are.
fn differ(found: &Verified) -> Option<Stuck> {
    let Verified { tables, count, .. } = found;
    let problem = format!(
        "what is made from the log differs from it in {count} {} at sequence {tables}",
        if *count == 1 { "place" } else { "places" }
    );
    (*count > 0).then(|| Stuck::new(problem, REBUILD))
}

/// Writes what the server found.
fn report(found: &Verified) -> std::io::Result<()> {
    let Verified { sequence, hash, tables, rows, count, differences } = found;
    output::answer(&format!("ok: {sequence} events in an unbroken chain; head {sequence}:{hash}\n"))?;
    if *count == 0 {
        return output::answer(&format!("ok: {rows} rows of the tables at sequence {tables} are what the log says\n"));
    }
    output::answer(&lines_of(differences.iter().map(|difference| format!("differs: {}", clean::line(difference)))))
}

/// Looks for old heads in the records, which are hashed here: this takes nothing on trust but the heads.
async fn in_history(shell: &Shell, mut wanted: Vec<Point>) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    wanted.sort_by_key(|point| point.sequence);
    let last = wanted.last().map_or(0, |point| point.sequence);
    let client = shell.client()?;
    let mut lines = Lines::of_log(&client, Some(last)).await?;
    let bar = Bar::new("looking for the heads", last, shell.screen, true);
    let mut chain = Chain::default();
    let mut waiting = wanted.iter().peekable();
    // The head of a log without events.
    while waiting.next_if_eq(&&chain.head()).is_some() {}
    while let Some(line) = lines.next().await? {
        chain.take(&line).map_err(|broken| Stuck::new(broken.to_string(), BROKEN))?;
        let here = chain.head();
        bar.reach(here.sequence);
        while let Some(head) = waiting.next_if(|head| head.sequence <= here.sequence) {
            if *head != here {
                return Err(Stuck::new(format!("another history: {head} is not in it"), OTHER).into());
            }
        }
    }
    drop(bar);
    if let Some(head) = waiting.next() {
        let end = chain.head().sequence;
        let problem = format!("the log was cut: it ends at sequence {end}, and {head} was its head once");
        return Err(Stuck::new(problem, OTHER).into());
    }
    Ok(())
}

const OTHER: &str = "if the head was copied without a mistake, the log is not the one that it was taken from, or it was \
                     altered or cut since: find out who had access, and restore it from a backup";
