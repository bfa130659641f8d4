//! Names that the server knows, for a shell that asks. Whatever fails, there are none.

use crate::args::create::TYPES;
use crate::args::{Cli, Global, Noun};
use crate::client::route::Route;
use crate::credentials::context::Context;
use crate::output::Format;
use crate::output::clean::steers;
use crate::shell::Shell;
use clap::{CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;
use serde::Deserialize;
use std::ffi::OsStr;
use std::time::Duration;

/// Nobody waits longer for a completion.
const PATIENCE: Duration = Duration::from_millis(900);
/// Candidates at most: shells ask before they show more.
const MOST: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Tokens have none.
    id: Option<String>,
    /// Sessions have none.
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    pool_name: Option<String>,
}

/// Names of what the words before say: `mcpctl get agents …`.
pub fn any(typed: &OsStr) -> Vec<CompletionCandidate> {
    let noun = words().iter().find_map(|word| Noun::from_str(word, false).ok());
    noun.map(|noun| of(noun, typed)).unwrap_or_default()
}

/// Names of tokens.
pub fn tokens(typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(rows("tokens"), typed)
}

/// Names of contexts, which are here.
pub fn contexts(typed: &OsStr) -> Vec<CompletionCandidate> {
    let known = Context::all().unwrap_or_default();
    let typed = typed.to_string_lossy();
    let names = known.iter().map(Context::name).filter(|name| name.starts_with(&*typed));
    names.map(|name| CompletionCandidate::new(name.to_owned())).collect()
}

/// Kinds of model servers.
pub fn types(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    TYPES.into_iter().filter(|word| word.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// Values of `-o`.
pub fn formats(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let all = Format::ALL.map(Format::word).into_iter().chain(["jsonpath="]);
    all.filter(|word| word.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// Names of agents.
pub fn agents(typed: &OsStr) -> Vec<CompletionCandidate> {
    of(Noun::Agents, typed)
}

/// Names of Llms and pools.
pub fn llms(typed: &OsStr) -> Vec<CompletionCandidate> {
    of(Noun::Llms, typed)
}

/// Names of projects.
pub fn projects(typed: &OsStr) -> Vec<CompletionCandidate> {
    of(Noun::Projects, typed)
}

fn of(noun: Noun, typed: &OsStr) -> Vec<CompletionCandidate> {
    candidates(rows(noun.list()), typed)
}

fn candidates(rows: Option<Vec<Row>>, typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let mut found = Vec::new();
    for Row { id, name, description, pool_name } in rows.unwrap_or_default() {
        let help = description.filter(|text| !text.is_empty() && !text.contains(steers));
        found.extend(name.or(id).map(|name| (name, help)));
        found.extend(pool_name.map(|pool| (pool, Some("a pool".to_owned()))));
    }
    found.retain(|(name, _)| name.starts_with(&*typed) && is_name(name));
    found.sort();
    found.dedup_by(|one, other| one.0 == other.0);
    found.truncate(MOST);
    found.into_iter().map(|(name, help)| CompletionCandidate::new(name).help(help.map(Into::into))).collect()
}

/// Whether a shell takes it for one word, as it does all names of a registry.
fn is_name(name: &str) -> bool {
    !name.starts_with('-') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn rows(list: &str) -> Option<Vec<Row>> {
    let client = Shell::new(global(&words())).client().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let route = Route::api([list]);
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, client.get(&route)).await });
    answer.ok()?.ok()?.read().ok()
}

/// What was typed so far: a script gives it behind `--`.
fn words() -> Vec<String> {
    std::env::args().skip_while(|word| word != "--").skip(2).collect()
}

/// The global flags among the words, as far as they say which server is meant.
fn global(words: &[String]) -> Global {
    let mut known = Cli::command().ignore_errors(true);
    let given = std::iter::once("mcpctl").chain(words.iter().map(String::as_str));
    let matches = known.try_get_matches_from_mut(given).ok();
    let flag = |name: &str| matches.as_ref().and_then(|found| found.try_get_one::<String>(name).ok()?.cloned());
    Global::quiet(flag("server"), flag("token"), flag("context"))
}
