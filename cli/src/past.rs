//! The whole registry as it was at some point, list by list.

use crate::args::Noun;
use crate::client::failure::{self, Failure};
use crate::client::route::Route;
use crate::client::{Answer, Client};
use crate::output::document::Document;

/// What the log holds, in the order in which one thing names another.
pub const NOUNS: [Noun; 6] =
    [Noun::Llms, Noun::Projects, Noun::Agents, Noun::Personalities, Noun::Prompts, Noun::Sessions];

/// The registry at one point.
pub struct Past {
    /// The last sequence that is in it.
    pub sequence: u64,
    /// The lists, as the server answers them.
    pub lists: Vec<(Noun, Answer)>,
}

/// Reads it. Without a point, it is that of now; all lists are of the same one.
pub async fn read(client: &Client, as_of: Option<&str>) -> anyhow::Result<Past> {
    let mut as_of = match as_of {
        Some(as_of) => as_of.to_owned(),
        None => now(client).await?.to_string(),
    };
    let mut past = Past { sequence: 0, lists: Vec::new() };
    for noun in NOUNS {
        let answer = client.get(&Route::api([noun.list()]).with("asOf", Some(&as_of))).await;
        let answer = answer.map_err(|error| called(error, &as_of))?;
        // A time may mean more from one moment to the next.
        if let Some(sequence) = answer.sequence.filter(|_| past.lists.is_empty()) {
            past.sequence = sequence;
            as_of = sequence.to_string();
        }
        past.lists.push((noun, answer));
    }
    Ok(past)
}

/// The same failure, where the server cannot read a point or does not have it, with what the user calls it.
pub fn called(error: anyhow::Error, point: &str) -> anyhow::Error {
    failure::called(error, |pointer| (pointer == "asOf").then(|| point.to_owned()))
}

/// The last sequence that lists take into account.
async fn now(client: &Client) -> anyhow::Result<u64> {
    let answer = client.get(&Route::api([Noun::Agents.list()]).with("limit", Some(1))).await?;
    Ok(answer.sequence.ok_or_else(|| Failure::Malformed { reason: "it does not say where the log ends".to_owned() })?)
}

/// The rows of a list, each with its key.
pub fn rows(noun: Noun, answer: &Answer) -> anyhow::Result<Vec<(String, Document)>> {
    let key = if noun == Noun::Sessions { "id" } else { "name" };
    let Document::List(rows) = Document::parse(&answer.body)? else { return Ok(Vec::new()) };
    Ok(rows.into_iter().map(|row| (crate::events::word(&row, key), row)).collect())
}
