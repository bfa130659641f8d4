//! One row of those that a call depends on, in a phrase: the row itself, its Llm, a member of its pool.

use super::case::Case;
use super::event::{Event, told};
use crate::output::document::Document;
use mcpctl_events::wire::why::Standing;

/// Milliseconds after which a heartbeat that comes every 30 s is late.
const HEARTBEAT_IS_MISSING: i64 = 45_000;

/// A row, with its history.
pub struct Part<'a> {
    case: &'a Case<'a>,
    /// How it stands.
    pub row: &'a Standing,
    events: &'a [Document],
    /// What it is called in a sentence: `it`, `its Llm 'qwen'`, `'w1'`.
    pub it: String,
    /// The same of its publisher.
    publisher: String,
}

impl<'a> Part<'a> {
    /// The row that was asked about.
    pub fn own(case: &'a Case<'a>, row: &'a Standing) -> Self {
        Self { case, row, events: case.events, it: "it".to_owned(), publisher: "its publisher".to_owned() }
    }

    /// The Llm that an agent is pinned to.
    pub fn llm(case: &'a Case<'a>, row: &'a Standing) -> Self {
        let it = format!("its Llm '{}'", row.name);
        Self { case, row, events: case.llm_events(&row.name), publisher: format!("the publisher of {it}"), it }
    }

    /// A member of a pool.
    pub fn member(case: &'a Case<'a>, row: &'a Standing) -> Self {
        let it = format!("'{}'", row.name);
        Self { case, row, events: case.llm_events(&row.name), publisher: format!("the publisher of {it}"), it }
    }

    /// What is in the way of calling it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.pauses();
        let (it, row) = (&self.it, self.row);
        if row.status == "inactive" {
            let since = row.inactive_since.as_deref().unwrap_or_default();
            problems.push(format!("{it} is inactive since {since}, for {}", self.case.age(since)));
        }
        if self.is_away() {
            problems.push(self.away(&format!("{it} counts as {} still", row.status)));
        }
        problems
    }

    /// Whether only its publisher is missing.
    pub fn is_away(&self) -> bool {
        self.row.status != "inactive" && !self.row.connected
    }

    /// That it is paused, since when and by whom.
    pub fn pauses(&self) -> Vec<String> {
        if !self.row.disabled {
            return Vec::new();
        }
        let pause = self.newest(&["disabled", "enabled"]);
        let pause = pause.map(|event| format!(" {} {}", event.since(), event.by())).unwrap_or_default();
        vec![format!("{} is disabled by hand{pause}", self.it)]
    }

    /// That its publisher is not connected, since when, and what counts all the same.
    pub fn away(&self, though: &str) -> String {
        let publisher = &self.publisher;
        let newest = self.case.newest_of(self.row);
        match newest.map(|event| (event, event.what(), event.data("cause"))) {
            Some((event, "disconnected", cause)) if cause == "node_lost" => format!(
                "{publisher} is not connected, whose stream ended with the server process that held it, as was noted {}, \
                 though {though}",
                event.at()
            ),
            Some((event, "disconnected", _)) => {
                format!("{publisher} is not connected {}, though {though}", event.since())
            }
            Some((event, "connected", _)) => match self.case.election_after(event.sequence()) {
                Some(at) => format!(
                    "{publisher} is not connected since a server was started or took over {at}, though {though}"
                ),
                None => format!("{publisher} is not connected, though {though}"),
            },
            _ => format!("{publisher} has not opened its stream yet, though {though}"),
        }
    }

    /// That its publisher is silent for longer than one that is well, which sends a heartbeat every 30 s.
    pub fn silence(&self) -> Option<String> {
        let limit = i64::try_from(self.case.facts.limits.heartbeat_timeout_ms).unwrap_or(i64::MAX);
        let heard = self.row.last_heartbeat_at.as_deref().filter(|_| self.row.kind == "virtual" && self.row.is_up())?;
        let is_silent = self.case.milliseconds_since(heard) > limit.min(HEARTBEAT_IS_MISSING);
        (is_silent && !self.case.facts.past).then(|| {
            format!(
                "yet {} is silent for {} and may hang, or the network is cut: calls may fail",
                self.publisher,
                self.case.age(heard)
            )
        })
    }

    /// How it stands, where nothing is in the way.
    pub fn state(&self) -> String {
        let since = self.stands_since().map(|event| {
            let time = event.time().map(|time| time.to_string()).unwrap_or_default();
            format!(" {}, for {}", event.since(), self.case.age(&time))
        });
        let (it, since) = (&self.it, since.unwrap_or_default());
        match self.row.status.as_str() {
            "hibernating" => {
                format!("{it} is asleep{since}, and the next call tries to wake it{}", self.failed_wake())
            }
            status => format!("{it} is {status}{since}"),
        }
    }

    /// All of it in one phrase, with the cause.
    pub fn in_short(&self) -> String {
        let fell = self.events.iter().position(|event| Event(event).what() == "deactivated");
        let fell = fell.filter(|_| self.row.status == "inactive");
        if let Some(at) = fell {
            let told = told(Event(&self.events[at]), &self.events[at + 1..], self.case);
            return self.pauses().into_iter().chain([format!("{} {told}", self.it)]).collect::<Vec<_>>().join(" and ");
        }
        let problems = self.problems();
        if !problems.is_empty() {
            return problems.join(" and ");
        }
        if self.row.kind == "public" {
            return format!("{} is public, and nobody watches its URL", self.it);
        }
        [self.state()].into_iter().chain(self.silence()).collect::<Vec<_>>().join(", ")
    }

    /// What became of the last try to wake it.
    fn failed_wake(&self) -> String {
        let last =
            self.events.iter().map(Event).find(|event| !matches!(event.what(), "updated" | "disabled" | "enabled"));
        let last = last.filter(|event| event.what() == "wake_failed");
        last.map(|event| format!("; the last try failed {}: {}", event.at(), event.data("reason"))).unwrap_or_default()
    }

    /// What it became last, and when: the newest event after which it stood as it stands.
    pub fn stands_since(&self) -> Option<Event<'a>> {
        super::case::stands_since(self.events)
    }

    fn newest(&self, kinds: &[&str]) -> Option<Event<'a>> {
        self.events.iter().map(Event).find(|event| kinds.contains(&event.what()))
    }
}
