//! What applying documents would do, as the server says who would do it: nothing is written.

use super::read::{Wanted, is_same};
use super::standing::Standing;
use crate::client::failure::{Failure, Refusal};
use crate::client::{Client, route::Route};
use crate::get::definition;
use crate::output::document::Document;
use crate::output::json;
use mcpctl_events::wire::dry_run::{Outcome, Tried, Wish, Wishes};
use reqwest::{Method, StatusCode};
use serde_json::value::RawValue;

/// What one document would do.
pub enum Would {
    /// There is none of its name: this would be.
    Create(Document),
    /// What stands would become this.
    Configure(Standing, Document),
    /// It stands so already.
    Nothing,
}

/// Looks at each document, on top of those before it. The last one is why one would be refused, if one would be: what comes
/// after that is not looked at.
pub async fn run<'a>(client: &Client, all: &'a [Wanted]) -> anyhow::Result<Vec<(&'a Wanted, anyhow::Result<Would>)>> {
    let mut standing = Vec::with_capacity(all.len());
    for wanted in all {
        standing.push(Standing::of(client, wanted.noun, &wanted.name).await?);
    }
    let is_new = |(wanted, standing): &(&Wanted, &Option<Standing>)| {
        !standing.as_ref().is_some_and(|standing| is_same(&standing.definition, &wanted.definition))
    };
    let new: Vec<_> = all.iter().zip(&standing).filter(is_new).map(|(wanted, _)| wanted).collect();
    let mut outcomes = ask(client, &new).await?.into_iter();
    let mut looked = Vec::with_capacity(all.len());
    for (wanted, standing) in all.iter().zip(standing) {
        if !is_new(&(wanted, &standing)) {
            looked.push((wanted, Ok(Would::Nothing)));
            continue;
        }
        let Some(outcome) = outcomes.next() else { break };
        looked.push((wanted, would(wanted, standing, outcome)));
    }
    Ok(looked)
}

/// Asks the server about documents that differ from what is there.
async fn ask(client: &Client, new: &[&Wanted]) -> anyhow::Result<Vec<Outcome>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let definitions = new.iter().map(|wanted| RawValue::from_string(json::compact(&wanted.definition)));
    let definitions = definitions.collect::<Result<Vec<_>, _>>()?;
    let wish = |(wanted, definition): (&&Wanted, _)| Wish { kind: wanted.noun.word().to_owned(), definition };
    let documents = new.iter().zip(definitions.iter().map(|definition| &**definition)).map(wish).collect();
    let body = serde_json::to_string(&Wishes { documents })?;
    let tried: Tried = client.write(Method::POST, &Route::api(["dry-run"]), body, None).await?.read()?;
    let is_whole = tried.documents.len() == new.len();
    if !is_whole && !matches!(tried.documents.last(), Some(Outcome::Refused { .. })) {
        let reason = format!("it tells of {} documents, and was asked about {}", tried.documents.len(), new.len());
        return Err(Failure::Malformed { reason }.into());
    }
    Ok(tried.documents)
}

fn would(wanted: &Wanted, standing: Option<Standing>, outcome: Outcome) -> anyhow::Result<Would> {
    let definition = |row: &RawValue| anyhow::Ok(definition::without_kind(wanted.noun, Document::parse(row.get())?));
    match (outcome, standing) {
        (Outcome::Created { row }, _) | (Outcome::Configured { row }, None) => Ok(Would::Create(definition(&row)?)),
        (Outcome::Configured { row }, Some(standing)) => Ok(Would::Configure(standing, definition(&row)?)),
        (Outcome::Unchanged { .. }, _) => Ok(Would::Nothing),
        (Outcome::Refused { status, error }, _) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let subject = Route::api([wanted.noun.list(), &wanted.name]).subject();
            let refusal = Refusal { status, body: error, subject, retry_after: None, by_model: false };
            Err(Failure::Refused(Box::new(refusal)).into())
        }
    }
}
