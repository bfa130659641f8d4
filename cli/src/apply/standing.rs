//! What the registry holds of a name, as the documents of `-o yaml` have it.

use crate::args::Noun;
use crate::client::failure::Failure;
use crate::client::{Client, route::Route};
use crate::get::definition;
use crate::output::document::Document;
use crate::output::json;
use serde::Deserialize;

/// A row that can be written over, as long as nobody else does.
pub struct Standing {
    /// What its author wrote, without `kind`.
    pub definition: Document,
    route: Route,
    row: Row,
}

/// What of a row tells one state of it from another, and whose it is.
#[derive(Deserialize)]
struct Row {
    version: u64,
    /// Of Llms and agents.
    kind: Option<String>,
    /// The same.
    status: Option<String>,
}

impl Standing {
    /// Reads it; `None` if there is none of this name.
    pub async fn of(client: &Client, noun: Noun, name: &str) -> anyhow::Result<Option<Self>> {
        let route = Route::api([noun.list(), name]);
        match client.get(&route).await {
            Ok(row) => {
                let definition = definition::without_kind(noun, Document::parse(&row.body)?);
                Ok(Some(Self { definition, route, row: row.read()? }))
            }
            Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_not_found) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`of`](Self::of), by its name alone: what has that for an id is another one.
    pub async fn named(client: &Client, noun: Noun, name: &str) -> anyhow::Result<Option<Self>> {
        Ok(Self::of(client, noun, name).await?.filter(|standing| standing.name() == name))
    }

    /// Its own name: it may have been asked for by its id.
    pub fn name(&self) -> &str {
        match self.definition.get("name") {
            Some(Document::Text(name)) => name,
            _ => "",
        }
    }

    /// Whether it is a publisher's. Whoever writes over it makes it public, which its publisher cannot publish over.
    pub fn is_virtual(&self) -> bool {
        self.row.kind.as_deref() == Some("virtual")
    }

    /// Whether it is a publisher's that is there, and no one else's to write over.
    pub fn is_held(&self) -> bool {
        self.is_virtual() && self.row.status.as_deref() != Some("inactive")
    }

    /// What to tell whoever wrote over one that was a publisher's; or would, if asked what would be.
    pub fn taken_over(&self, title: &str, is_done: bool) -> Option<String> {
        let (kind, name) = title.split_once('/')?;
        let (was, is) = if is_done { ("was", "is") } else { ("is", "would be") };
        self.is_virtual().then(|| {
            format!(
                "{title} {was} a publisher's, and {is} public from now on: its publisher is refused with it; `mcpctl delete \
                 {kind} {name}` gives the name back"
            )
        })
    }

    /// Writes another definition over it; whether that changed anything.
    ///
    /// # Errors
    /// Among others: somebody else has written it since it was read.
    pub async fn put(&self, client: &Client, definition: &Document) -> anyhow::Result<bool> {
        let body = json::compact(definition);
        let answer = client.write(reqwest::Method::PUT, &self.route, body, Some(self.row.version)).await?;
        let after: Row = answer.read()?;
        Ok(after.version != self.row.version)
    }
}
