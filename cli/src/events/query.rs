//! What is asked of the server's event log, a page at a time.

use super::word;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::client::{Answer, Client};
use crate::output::document::Document;

/// Most events of one answer: enough for few requests, few enough to hold.
pub const PAGE: u64 = 1000;

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// With a sequence above this.
    pub after: u64,
    /// With a sequence of at most this.
    pub until: Option<u64>,
    /// Of a type that fits this glob.
    pub type_: Option<String>,
    /// About this.
    pub subject: Option<String>,
}

/// What events can be about, as their types begin.
const SUBJECTS: [&str; 9] =
    ["llm", "agent", "project", "personality", "prompt", "session", "token", "user", "registry"];

/// The glob of a type: its version may be left out, and all but one of its words.
pub fn glob(given: &str) -> String {
    let version = given.rsplit_once(".v").is_some_and(|(_, version)| version.parse::<u32>().is_ok());
    match given {
        _ if version || given.ends_with('*') => given.to_owned(),
        subject if SUBJECTS.contains(&subject) => format!("{subject}.*"),
        what if !what.contains(['.', '*']) => format!("*.{what}.v*"),
        _ => format!("{given}.v*"),
    }
}

impl Query {
    /// Whether every event of its range fits.
    pub fn takes_all(&self) -> bool {
        self.type_.is_none() && self.subject.is_none()
    }

    /// The first events that fit, at most `limit`, oldest first.
    pub async fn page(&self, client: &Client, limit: u64) -> anyhow::Result<Vec<Document>> {
        list(&client.get(&self.route(limit)).await?)
    }

    /// Goes through all events that fit, at most `limit`, in pages; holds one page at a time.
    ///
    /// `take` gets each page, the last of which may be empty.
    pub async fn pages(
        mut self,
        client: &Client,
        limit: u64,
        mut take: impl FnMut(Vec<Document>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut left = limit;
        loop {
            let asked = left.min(PAGE);
            let page = self.page(client, asked).await?;
            let got = page.len() as u64;
            if let Some(last) = page.last() {
                self.after = self.further(sequence(last)?)?;
            }
            take(page)?;
            left = left.saturating_sub(got);
            if got < asked || left == 0 {
                return Ok(());
            }
        }
    }

    /// Where these events are followed.
    pub fn followed(&self) -> Route {
        Route::api(["events"])
            .with("after", Some(self.after))
            .with("until", self.until)
            .with("type", self.type_.as_ref())
            .with("subject", self.subject.as_ref())
    }

    fn route(&self, limit: u64) -> Route {
        self.followed().with("limit", Some(limit))
    }

    /// A server that knows no `after` would send the same page for ever.
    fn further(&self, last: u64) -> Result<u64, Failure> {
        if last > self.after { Ok(last) } else { Err(odd(&format!("event {last} comes after event {}", self.after))) }
    }
}

/// The sequence that the server's tables are at.
pub async fn head(client: &Client) -> anyhow::Result<u64> {
    let answer = client.get(&Query::default().route(1)).await?;
    Ok(answer.sequence.ok_or_else(|| odd("it does not say where the log ends"))?)
}

/// The sequence of an event.
pub fn sequence(event: &Document) -> Result<u64, Failure> {
    word(event, "sequence").parse().map_err(|_| odd("an event has no sequence"))
}

fn list(answer: &Answer) -> anyhow::Result<Vec<Document>> {
    match Document::parse(&answer.body)? {
        Document::List(events) => Ok(events),
        _ => Err(odd("it is no list of events").into()),
    }
}

fn odd(reason: &str) -> Failure {
    Failure::Malformed { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_type_may_be_given_in_part() {
        for (given, glob) in [
            ("agent.created", "agent.created.v*"),
            ("agent.created.v1", "agent.created.v1"),
            ("agent.*", "agent.*"),
            ("agent", "agent.*"),
            ("created", "*.created.v*"),
            ("*.created", "*.created.v*"),
            ("agent.*ated", "agent.*ated.v*"),
        ] {
            assert_eq!(super::glob(given), glob);
        }
    }
}
