//! All that an explanation is made from.

use super::event::Event;
use crate::args::RowNoun;
use crate::clock::span;
use crate::output::document::Document;
use mcpctl_events::time::LogTime;
use mcpctl_events::wire::why::{Facts, PoolStanding, Publisher, RegistryEvent, Standing};

/// What was asked about, and what is known of it.
pub struct Case<'a> {
    /// What it is.
    pub noun: RowNoun,
    /// Its name.
    pub name: &'a str,
    /// How it stands.
    pub facts: &'a Facts,
    /// Its history, the newest first.
    pub events: &'a [Document],
    /// Whether that is all of it.
    pub is_whole: bool,
    /// The newest events of the Llms that it depends on, by name, the newest first.
    pub llms: &'a [(String, Vec<Document>)],
    /// The newest events of the publishers that it and its Llm belong to, or belonged to last, by the id of their
    /// session; the newest first.
    pub publishers: &'a [(String, Vec<Document>)],
}

/// Members of a pool that are told of one by one.
const MEMBERS: usize = 4;

/// Those members of a pool that are told of: what can't be called comes first.
pub fn named_members(pool: &PoolStanding) -> impl Iterator<Item = &Standing> {
    let (up, down): (Vec<_>, Vec<_>) = pool.members.iter().partition(|member| member.is_up());
    down.into_iter().chain(up).take(MEMBERS)
}

/// The newest event after which a row stood as it stands.
pub fn stands_since(events: &[Document]) -> Option<Event<'_>> {
    let changes = |event: &Event| {
        matches!(event.what(), "registered" | "restored" | "created") || event.data("from") != event.data("to")
    };
    events.iter().map(Event).find(changes)
}

impl Case<'_> {
    /// `Agent`.
    pub fn title(&self) -> &'static str {
        match self.noun {
            RowNoun::Agent => "Agent",
            RowNoun::Llm => "Llm",
        }
    }

    /// The moment that it is about.
    pub fn time(&self) -> LogTime {
        self.facts.time.parse().unwrap_or_default()
    }

    /// How long ago something was: `36 s`.
    pub fn age(&self, time: &str) -> String {
        span(self.milliseconds_since(time).max(0))
    }

    /// How long it is until then: `36 s`.
    pub fn until(&self, time: &str) -> String {
        span((-self.milliseconds_since(time)).max(0))
    }

    /// Negative if it is still to come.
    pub fn milliseconds_since(&self, time: &str) -> i64 {
        let time = time.parse::<LogTime>().unwrap_or_else(|_| self.time());
        self.time().as_millis() - time.as_millis()
    }

    /// The newest events of a publisher, the newest first, as far as they were read.
    pub fn publisher_events(&self, session: &str) -> impl Iterator<Item = Event<'_>> {
        let of = self.publishers.iter().find(|(id, _)| id == session);
        of.into_iter().flat_map(|(_, events)| events).map(Event)
    }

    /// The newest event of the publisher that a row belongs to.
    pub fn newest_of(&self, row: &Standing) -> Option<Event<'_>> {
        let Publisher { session, .. } = row.publisher.as_ref()?;
        self.publisher_events(session).next()
    }

    /// The event that ended the stream of a row's publisher before something happened to the row.
    pub fn stream_end_before(&self, event: Event) -> Option<Event<'_>> {
        let session = event.data("sessionId");
        let before = self.publisher_events(&session).find(|end| end.sequence() < event.sequence());
        before.filter(|end| end.what() == "disconnected")
    }

    /// The newest events of an Llm, the newest first, as far as they were read.
    pub fn llm_events(&self, name: &str) -> &[Document] {
        self.llms.iter().find(|(of, _)| of == name).map_or(&[], |(_, events)| events)
    }

    /// Since when it stands as it stands.
    pub fn stands_since(&self) -> Option<Event<'_>> {
        stands_since(self.events)
    }

    /// What lengthened the wait between a time and an event: a server that was started counts anew, and a suspension
    /// counts not at all.
    pub fn meanwhile(&self, since: &str, before: u64) -> String {
        let within = |event: &&RegistryEvent| {
            event.sequence < before && self.milliseconds_since(&event.time) < self.milliseconds_since(since)
        };
        let said = self.facts.registry.iter().filter(within).filter_map(|event| {
            let what = match event.what.as_str() {
                "writer_elected" => "a server was started or took over, which counts anew from then,",
                "expiry_suspended" => "giving up was suspended",
                _ => return None,
            };
            Some(format!("; meanwhile {what} at {} (event {})", event.time, event.sequence))
        });
        said.collect()
    }

    /// When a server began to write the log, the first time after a sequence.
    pub fn election_after(&self, sequence: u64) -> Option<String> {
        let mut after = self.facts.registry.iter().rev().filter(|event| event.sequence > sequence);
        let first = after.find(|event| event.what == "writer_elected")?;
        Some(format!("at {} (event {})", first.time, first.sequence))
    }
}
