//! The whole explanation: the verdict, the publisher, the chain of causes, and what would change it.

use super::case::Case;
use super::event::{Event, told};
use super::{outlook, verdict};
use crate::args::RowNoun;
use crate::output::document::Document;
use mcpctl_events::time::LogTime;
use mcpctl_events::wire::why::Standing;

/// Events that are told one by one, the newest.
const TOLD: usize = 4;

/// Explains it, in one paragraph.
pub fn paragraph(case: &Case) -> String {
    let mut sentences = Vec::new();
    if case.facts.past {
        sentences.push(format!("As of event {}, at {}:", case.facts.sequence, case.facts.time));
    }
    match (&case.facts.row, &case.facts.pool) {
        (Some(row), _) => {
            sentences.push(verdict::verdict(case, row));
            sentences.extend(publisher(case, row));
        }
        (None, Some(pool)) => sentences.push(verdict::pool(case, pool)),
        (None, None) if case.events.is_empty() => {
            sentences.push(format!("{} '{}' was not there yet.", case.title(), case.name));
        }
        (None, None) => sentences.push(format!("{} '{}' is not there any more.", case.title(), case.name)),
    }
    sentences.extend(chain(case));
    sentences.extend(llm_cause(case));
    sentences.extend(since_then(case));
    match &case.facts.row {
        Some(row) => sentences.extend(outlook::outlook(case, row)),
        None if !case.events.is_empty() => sentences.push(outlook::after_deletion(case)),
        None => {}
    }
    sentences.join(" ")
}

/// Who offers a virtual row, and when that was last heard.
fn publisher(case: &Case, row: &Standing) -> Option<String> {
    if row.kind != "virtual" {
        return None;
    }
    let newest = case.publisher_events.first().map(Event);
    let Some(publisher) = &row.publisher else {
        return Some("No publisher offers it.".to_owned());
    };
    let user = publisher.user.as_deref().unwrap_or("an unknown user");
    let connection = match newest {
        Some(event) if row.connected && event.what() == "connected" => format!(", is connected {}", event.since()),
        _ if row.connected => ", is connected".to_owned(),
        // Unless it is told as the cause.
        Some(event) if event.what() == "disconnected" && row.status != "inactive" => {
            format!(", is not connected: its stream ended {}", event.at())
        }
        _ => ", is not connected".to_owned(),
    };
    let heard = row.last_heartbeat_at.as_deref();
    let heard = heard.map(|at| format!(", and was last heard {} ago, at {at}", case.age(at))).unwrap_or_default();
    Some(format!("Its publisher, {} of {user}{connection}{heard}.{}", publisher.session, silence(case, row)))
}

/// A publisher sends a heartbeat every third of the timeout; one that misses it hangs, or its network does.
fn silence(case: &Case, row: &Standing) -> &'static str {
    let timeout = i64::try_from(case.facts.limits.heartbeat_timeout_ms).unwrap_or(i64::MAX);
    let heard: Option<LogTime> = row.last_heartbeat_at.as_ref().and_then(|at| at.parse().ok());
    let silent = heard.map_or(0, |heard| case.time().as_millis() - heard.as_millis());
    if row.connected && !case.facts.past && silent > timeout / 2 {
        " Its stream is open but silent for longer than a publisher that is well: the process or its machine hangs, or the \
         network is cut, and calls may fail."
    } else {
        ""
    }
}

/// What happened, the newest first: a few events one by one, how many more there are, and how it began.
fn chain(case: &Case) -> Vec<String> {
    let of = |index: usize| told(Event(&case.events[index]), &case.events[index + 1..], case);
    let first_life = usize::from(case.events.first().is_some_and(|event| Event(event).what() == "deleted"));
    let ended = case.events.iter().skip(first_life).position(|event| Event(event).what() == "deleted");
    let life = ended.map_or(case.events.len(), |at| at + first_life);
    let mut sentences = Vec::new();
    for index in 0..life.min(TOLD) {
        let opening = if index == 0 { "It" } else { "Before that it" };
        sentences.push(format!("{opening} {}.", of(index)));
    }
    if life > TOLD {
        sentences.extend(count(&case.events[TOLD..life]));
        if ended.is_some() || case.is_whole {
            sentences.push(format!("In the beginning it {}.", of(life - 1)));
        } else {
            sentences.push("What was before that is in `mcpctl history`.".to_owned());
        }
    }
    if ended.is_some() {
        let before = if Event(&case.events[life - 1]).what() == "restored" {
            "Before that it"
        } else {
            "An earlier one of this name"
        };
        sentences.push(format!("{before} {}.", of(life)));
    }
    sentences
}

/// How much more happened; the last of these is told by itself.
fn count(more: &[Document]) -> Option<String> {
    let between = more.len().checked_sub(1).filter(|between| *between > 0)?;
    let oldest = Event(&more[between - 1]).time()?;
    let gone = more[..between].iter().filter(|event| Event(event).what() == "deactivated").count();
    let gone = match gone {
        0 => String::new(),
        1 => ", and was inactive once".to_owned(),
        times => format!(", and was inactive {times} times"),
    };
    let events = if between == 1 { "event".to_owned() } else { format!("{between} events") };
    Some(format!("Before that it had {}{events} since {oldest}{gone}.", if between == 1 { "one more " } else { "" }))
}

/// Why an agent's Llm is not up, so that nobody has to ask again.
fn llm_cause(case: &Case) -> Option<String> {
    let llm = case.facts.llm.as_ref().filter(|llm| case.noun == RowNoun::Agent && llm.status == "inactive")?;
    let at = case.llm_events.iter().position(|event| Event(event).what() == "deactivated")?;
    let (event, older) = (&case.llm_events[at], &case.llm_events[at + 1..]);
    // What befell both is told already.
    let is_told = case.events.iter().take(TOLD).any(|own| Event(own).time() == Event(event).time());
    (!is_told).then(|| format!("Its Llm '{}' {}.", llm.name, told(Event(event), older, case)))
}

/// What happened around it since its own last event.
fn since_then(case: &Case) -> Vec<String> {
    let last = case.events.first().map_or(0, |event| Event(event).sequence());
    let newer = |events: &'_ [Document], what: &str| -> Vec<String> {
        let newer = events.iter().map(Event).take_while(|event| event.sequence() > last);
        newer.filter(|event| event.what() == what).map(Event::at).collect()
    };
    let Some(row) = case.facts.row.as_ref().filter(|row| row.kind == "virtual") else { return Vec::new() };
    let mut sentences = Vec::new();
    match newer(case.registry_events, "writer_elected").as_slice() {
        [] => {}
        [once] => sentences.push(format!("Since then the server was started {once}.")),
        [newest, ..] => {
            sentences.push(format!("Since then the server was started several times, the last time {newest}."));
        }
    }
    let streams = newer(case.publisher_events, "connected");
    if row.status != "inactive"
        && let [newest, _, ..] = streams.as_slice()
    {
        sentences.push(format!(
            "Since then its publisher opened {} streams, the newest {newest}: each takes the place of the one before, as \
             when a process restarts, or when two of them share one session.",
            streams.len()
        ));
    }
    sentences
}
