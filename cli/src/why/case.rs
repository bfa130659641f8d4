//! All that an explanation is made from.

use super::event::Event;
use crate::args::RowNoun;
use crate::clock::span;
use crate::output::document::Document;
use mcpctl_events::time::LogTime;
use mcpctl_events::wire::why::Facts;

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
    /// The newest events of the Llm that it is pinned to, the newest first.
    pub llm_events: &'a [Document],
    /// The newest events of its publisher's session, the newest first; of the last publisher, if none has it now.
    pub publisher_events: &'a [Document],
    /// The elections and suspensions of late, the newest first.
    pub registry_events: &'a [Document],
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
        let time = time.parse::<LogTime>().unwrap_or_else(|_| self.time());
        span((self.time().as_millis() - time.as_millis()).max(0))
    }

    /// How long it is until then: `36 s`.
    pub fn until(&self, time: &str) -> String {
        let time = time.parse::<LogTime>().unwrap_or_else(|_| self.time());
        span((time.as_millis() - self.time().as_millis()).max(0))
    }

    /// The event that ended the publisher's stream before something else happened.
    pub fn stream_end_before(&self, event: Event) -> Option<Event<'_>> {
        let before = self.publisher_events.iter().map(Event).find(|end| end.sequence() < event.sequence());
        before.filter(|end| end.what() == "disconnected")
    }

    /// What it became last, and when: the newest event after which it stood as it stands.
    pub fn stands_since(&self) -> Option<Event<'_>> {
        let changes = |event: &Event| {
            matches!(event.what(), "registered" | "restored" | "created") || event.data("from") != event.data("to")
        };
        self.events.iter().map(Event).find(changes)
    }
}
