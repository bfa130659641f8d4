//! What applying documents would do, as the server says who would do it: nothing is written.

use super::read::{Wanted, is_same};
use super::standing::Standing;
use crate::args::Noun;
use crate::client::failure::{Failure, Refusal, reworded};
use crate::client::{Client, route::Route};
use crate::exit::Stuck;
use crate::get::definition;
use crate::output::document::Document;
use crate::output::json;
use mcpctl_events::wire::dry_run::{MOST, Outcome, Tried, Wish, Wishes};
use mcpctl_events::wire::error::ErrorBody;
use reqwest::{Method, StatusCode};
use serde_json::value::{RawValue, to_raw_value};

/// What one document would do.
pub enum Would {
    /// There is none of its name: this would be.
    Create(Document),
    /// What stands would become this.
    Configure(Standing, Document),
    /// It stands so already.
    Nothing,
}

/// What all of them would do.
pub struct Outlook<'a> {
    /// Up to the first that would be refused.
    pub documents: Vec<(&'a Wanted, anyhow::Result<Would>)>,
    /// What would become of the rows that are to be deleted, up to the first that would not be.
    pub deletions: Vec<anyhow::Result<()>>,
}

/// Looks at each document, on top of those before it, and at deletions after them.
pub async fn run<'a>(client: &Client, all: &'a [Wanted], deleted: &[(Noun, String)]) -> anyhow::Result<Outlook<'a>> {
    let mut standing = Vec::with_capacity(all.len());
    for wanted in all {
        standing.push(Standing::named(client, wanted.noun, &wanted.name).await?);
    }
    let is_new = |wanted: &Wanted, standing: &Option<Standing>| {
        !standing.as_ref().is_some_and(|standing| is_same(&standing.definition, &wanted.definition))
    };
    let new: Vec<_> = all.iter().zip(&standing).filter(|(wanted, standing)| is_new(wanted, standing)).collect();
    let mut wishes = new.iter().map(|(wanted, _)| document(wanted)).collect::<Result<Vec<_>, _>>()?;
    for (noun, name) in deleted {
        wishes.push(wish(*noun, None, Some(name.clone()))?);
    }
    if wishes.len() > MOST {
        let problem = format!("{} documents and rows are more than the {MOST} that can be tried at once", wishes.len());
        return Err(in_parts(problem, deleted));
    }
    let outcomes = ask(client, &wishes).await.map_err(|error| match error.downcast_ref::<Failure>() {
        Some(Failure::Refused(refusal)) if refusal.status == StatusCode::PAYLOAD_TOO_LARGE => {
            in_parts(format!("all documents together: {}", refusal.body.error), deleted)
        }
        _ => error,
    });
    let mut outcomes = outcomes?.into_iter();
    let mut documents = Vec::with_capacity(all.len());
    for (wanted, standing) in all.iter().zip(standing) {
        if !is_new(wanted, &standing) {
            documents.push((wanted, Ok(Would::Nothing)));
            continue;
        }
        let Some(outcome) = outcomes.next() else { break };
        documents.push((wanted, would(wanted, standing, outcome)));
    }
    let deletions = outcomes.zip(deleted).map(|(outcome, (noun, name))| match outcome {
        Outcome::Refused { status, error } => Err(refused(*noun, name, status, error)),
        _ => Ok(()),
    });
    Ok(Outlook { deletions: deletions.collect(), documents })
}

fn document(wanted: &Wanted) -> anyhow::Result<Box<RawValue>> {
    let definition = RawValue::from_string(json::compact(&wanted.definition))?;
    wish(wanted.noun, Some(&definition), None)
}

fn wish(noun: Noun, definition: Option<&RawValue>, delete: Option<String>) -> anyhow::Result<Box<RawValue>> {
    Ok(to_raw_value(&Wish { kind: noun.word().to_owned(), definition, delete })?)
}

/// Asks the server about what differs from what is there.
async fn ask(client: &Client, wishes: &[Box<RawValue>]) -> anyhow::Result<Vec<Outcome>> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let body = serde_json::to_string(&Wishes { documents: wishes.iter().map(|wish| &**wish).collect() })?;
    let answer = client.write(Method::POST, &Route::api(["dry-run"]), body, None).await?;
    let tried: Tried = answer.read()?;
    let is_whole = tried.documents.len() == wishes.len();
    if !is_whole && !matches!(tried.documents.last(), Some(Outcome::Refused { .. })) {
        let reason = format!("it tells of {} documents, and was asked about {}", tried.documents.len(), wishes.len());
        return Err(Failure::Malformed { reason }.into());
    }
    Ok(tried.documents)
}

/// What is too much at once for a dry run can still be applied, one after the other.
fn in_parts(problem: String, deleted: &[(Noun, String)]) -> anyhow::Error {
    let next = if deleted.is_empty() {
        "try the files in parts; `mcpctl apply` sends one document after the other"
    } else {
        "try the files in parts, without --prune: that takes what is in no file for what was deleted"
    };
    Stuck::new(problem, next).into()
}

fn would(wanted: &Wanted, standing: Option<Standing>, outcome: Outcome) -> anyhow::Result<Would> {
    let definition = |row: &RawValue| anyhow::Ok(definition::without_kind(wanted.noun, Document::parse(row.get())?));
    match (outcome, standing) {
        (Outcome::Created { row }, _) | (Outcome::Configured { row }, None) => Ok(Would::Create(definition(&row)?)),
        (Outcome::Configured { row }, Some(standing)) => Ok(Would::Configure(standing, definition(&row)?)),
        (Outcome::Unchanged {} | Outcome::Deleted {}, _) => Ok(Would::Nothing),
        (Outcome::Refused { status, error }, _) => Err(refused(wanted.noun, &wanted.name, status, error)),
    }
}

fn refused(noun: Noun, name: &str, status: u16, body: ErrorBody) -> anyhow::Error {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let subject = Route::api([noun.list(), name]).subject();
    let body = reworded(body);
    Failure::Refused(Box::new(Refusal { status, body, subject, retry_after: None, by_model: false })).into()
}
