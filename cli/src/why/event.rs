//! One event of a history, in words: what happened, when, and why, with its evidence.

use super::case::Case;
use crate::clock::span;
use crate::events::word;
use crate::history::what;
use crate::output::document::Document;
use mcpctl_events::time::LogTime;

/// Bytes of two texts that are still shown.
const SHORT: usize = 120;
/// Changed fields that are named.
const FIELDS: usize = 5;

/// One event.
#[derive(Clone, Copy)]
pub struct Event<'a>(pub &'a Document);

impl<'a> Event<'a> {
    /// The word in the middle of its type.
    pub fn what(self) -> &'a str {
        what(self.0)
    }

    /// Its sequence.
    pub fn sequence(self) -> u64 {
        word(self.0, "sequence").parse().unwrap_or_default()
    }

    /// When the server decided it.
    pub fn time(self) -> Option<LogTime> {
        word(self.0, "time").parse().ok()
    }

    /// `at … (event …)`.
    pub fn at(self) -> String {
        format!("at {} (event {})", word(self.0, "time"), word(self.0, "sequence"))
    }

    /// `since … (event …)`.
    pub fn since(self) -> String {
        format!("since {} (event {})", word(self.0, "time"), word(self.0, "sequence"))
    }

    /// A member of its data, empty if there is none.
    pub fn data(self, key: &str) -> String {
        self.0.get("data").map(|data| word(data, key)).unwrap_or_default()
    }

    /// Who it was: `by admin`, `by the server`.
    pub fn by(self) -> String {
        match word(self.0, "actor").split_once('/') {
            Some(("user", name)) => format!("by {name}"),
            _ => "by the server".to_owned(),
        }
    }

    fn definition(self) -> Option<&'a Document> {
        self.0.get("data")?.get("definition")
    }

    /// How long before it something was.
    fn after(self, time: &str) -> Option<String> {
        Some(span(self.time()?.as_millis() - time.parse::<LogTime>().ok()?.as_millis()))
    }
}

/// What happened, after `it`; `older` is what was before it, the newest first.
pub fn told(event: Event, older: &[Document], case: &Case) -> String {
    let (at, by, cause) = (event.at(), event.by(), event.data("cause"));
    match event.what() {
        "registered" => format!("was registered {at} {by}{}", session(event, case)),
        "restored" => {
            format!("was registered again {at} {by}{}, and got back the id that it had", session(event, case))
        }
        "created" => format!("was created {at} {by}"),
        "updated" => updated(event, older),
        "disabled" => format!("was disabled {at} {by}"),
        "enabled" => format!("was enabled again {at} {by}"),
        "activated" if cause == "woken" => format!("was woken {at}, {}", took(event)),
        "activated" => format!("became active {at}, {}", came_back(event, older)),
        "hibernated" if cause == "slept" => format!(
            "went to sleep {at}, because its publisher said so: a recipe put it to sleep, or its model server went away"
        ),
        "hibernated" => format!("came back asleep {at}, {}", came_back(event, older)),
        "wake_failed" => format!("could not be woken {at}, {}: {}", took(event), event.data("reason")),
        "deactivated" if event.data("from") == "inactive" => {
            format!("was given up {at} while it was inactive already, {WITHDRAWN}")
        }
        "deactivated" => format!("became inactive {at}, {}", went_away(event, case)),
        "deleted" => format!("was deleted {at}, {}", was_deleted(event, older)),
        other => format!("had the event `{other}` {at}, cause {cause}"),
    }
}

const WITHDRAWN: &str = "because its publisher no longer offers it: its register did not name it (it was taken out of \
                         config.json, its model server does not answer or lacks it, or another process registered with \
                         the same session)";

/// Which publisher it was, where it is not the one that it has now.
fn session(event: Event, case: &Case) -> String {
    let now = case.facts.row.as_ref().and_then(|row| row.publisher.as_ref());
    match event.data("sessionId") {
        session if session.is_empty() || now.is_some_and(|now| now.session == session) => String::new(),
        session => format!(" with publisher {session}"),
    }
}

fn took(event: Event) -> String {
    let ms = event.data("latencyMs").parse().unwrap_or_default();
    format!("after {}", span(ms))
}

fn updated(event: Event, older: &[Document]) -> String {
    let (at, by) = (event.at(), event.by());
    let before = older.iter().map(Event).find(|event| event.definition().is_some());
    let fields = before.map(|before| changed(before, event)).unwrap_or_default();
    let became_public = event.data("kind") == "public" && before.is_some_and(|before| before.data("kind") == "virtual");
    match (became_public, event.data("cause").as_str()) {
        (true, _) => format!("became public {at} {by}, who took its definition over{fields}"),
        (_, "user") => format!("was edited {at} {by}{fields}"),
        _ => format!("was changed {at} by its publisher{fields}"),
    }
}

/// The fields that differ; a pin with what it was and is.
fn changed(before: Event, after: Event) -> String {
    let (Some(Document::Map(old)), Some(Document::Map(new))) = (before.definition(), after.definition()) else {
        return String::new();
    };
    let in_old = |key: &str| old.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    let in_new = |key: &str| new.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    let gone = old.iter().map(|(key, _)| key).filter(|key| in_new(key).is_none());
    let keys: Vec<_> = new.iter().map(|(key, _)| key).filter(|key| in_old(key) != in_new(key)).chain(gone).collect();
    let pin = |of: Option<&Document>| of.map(|pin| word(pin, "name")).filter(|name| !name.is_empty());
    let name = |key: &str| match (key, pin(in_old(key)), pin(in_new(key)), in_old(key), in_new(key)) {
        ("llm", Some(from), Some(to), ..) if from != to => format!("llm from '{from}' to '{to}'"),
        (_, _, _, Some(Document::Text(from)), Some(Document::Text(to))) if from.len() + to.len() <= SHORT => {
            format!("{key} from '{from}' to '{to}'")
        }
        _ => key.to_owned(),
    };
    let mut names: Vec<_> = keys.iter().take(FIELDS).map(|key| name(key)).collect();
    if keys.len() > FIELDS {
        names.push(format!("{} more", keys.len() - FIELDS));
    }
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn came_back(event: Event, older: &[Document]) -> String {
    let id = event.data("sessionId");
    match event.data("cause").as_str() {
        "registered" => "because its publisher registered it again".to_owned(),
        "adopted" => {
            let before = older.iter().map(|event| Event(event).data("sessionId")).find(|id| !id.is_empty());
            if before.is_some_and(|before| before == id) {
                "because its publisher offered it again".to_owned()
            } else {
                format!("because another publisher of the same user, {id}, registered it and took it over")
            }
        }
        "reconnected" => "because its publisher's stream was opened again".to_owned(),
        "heartbeat" => "because a heartbeat of its publisher was heard again".to_owned(),
        other => format!("cause {other}"),
    }
}

fn went_away(event: Event, case: &Case) -> String {
    let heard = event.data("lastHeartbeatAt");
    let last_heard = if heard.is_empty() { String::new() } else { format!("; it was last heard at {heard}") };
    match event.data("cause").as_str() {
        "disconnected" => {
            let end = case.stream_end_before(event).map_or_else(String::new, |end| format!(" {}", end.at()));
            format!("because its publisher's stream ended{end} and no new one came in time")
        }
        "node_lost" => "because the server process that held its publisher's stream is gone".to_owned(),
        "heartbeat_stale" => {
            let silence = event.after(&heard).unwrap_or_default();
            let limit = event.after(&event.data("cutoff")).unwrap_or_default();
            format!(
                "because no heartbeat or other sign of its publisher came for {silence}, and {limit} is the limit{last_heard}{}",
                case.meanwhile(&heard, event.sequence())
            )
        }
        "withdrawn" => WITHDRAWN.to_owned(),
        other => format!("cause {other}{last_heard}"),
    }
}

fn was_deleted(event: Event, older: &[Document]) -> String {
    match event.data("cause").as_str() {
        "user" => event.by(),
        "llm_deleted" => {
            let pin = older.iter().find_map(|event| Event(event).definition()?.get("llm"));
            let name = pin.map(|pin| format!(" '{}'", word(pin, "name"))).unwrap_or_default();
            format!("together with its Llm{name}, {}", event.by())
        }
        "retention" => {
            let (since, cutoff) = (event.data("inactiveSince"), event.data("cutoff"));
            let (was, limit) = (event.after(&since).unwrap_or_default(), event.after(&cutoff).unwrap_or_default());
            format!("because it had been inactive for {was}, since {since}, and is kept for {limit}")
        }
        other => format!("cause {other}"),
    }
}
