//! The whole explanation: the verdict, the publisher, the chain of causes, and what would change it.

use super::case::Case;
use super::event::{Event, told};
use super::{outlook, verdict};
use crate::args::RowNoun;
use crate::output::document::Document;
use mcpctl_events::wire::why::Standing;

/// Events that are told one by one, the newest.
const TOLD: usize = 4;

/// Explains it, in one paragraph.
pub fn paragraph(case: &Case) -> String {
    let mut sentences = Vec::new();
    if case.facts.past {
        sentences.push(format!("As the log has it at {} (event {}):", case.facts.time, case.facts.sequence));
    }
    match (&case.facts.row, &case.facts.pool) {
        (Some(row), _) => {
            sentences.push(verdict::verdict(case, row));
            sentences.extend(publishers(case, row));
        }
        (None, Some(pool)) => {
            sentences.push(verdict::pool(case, pool));
            sentences.extend(outlook::of_pool(pool).filter(|_| !case.facts.past));
        }
        (None, None) if case.events.is_empty() => {
            sentences.push(format!("{} '{}' was not there yet.", case.title(), case.name));
        }
        (None, None) => sentences.push(format!("{} '{}' is not there any more.", case.title(), case.name)),
    }
    sentences.extend(chain(case));
    sentences.extend(llm_cause(case));
    sentences.extend(since_then(case));
    match &case.facts.row {
        Some(row) => {
            sentences.extend(outlook::outlook(case, row));
            let pool = case.facts.pool.as_ref().filter(|_| case.noun == RowNoun::Agent && !case.facts.past);
            sentences.extend(pool.and_then(outlook::of_pool));
        }
        None if !case.events.is_empty() => sentences.push(outlook::after_deletion(case)),
        None => {}
    }
    sentences.join(" ")
}

/// Who offers a row, and who offers its Llm, if that is somebody else.
fn publishers(case: &Case, row: &Standing) -> Vec<String> {
    let llm = case.facts.llm.as_ref().filter(|llm| case.noun == RowNoun::Agent && llm.publisher != row.publisher);
    let of_llm = llm.and_then(|llm| publisher(case, llm, &format!("The publisher of its Llm '{}'", llm.name)));
    publisher(case, row, "Its publisher").into_iter().chain(of_llm).collect()
}

/// Who offers a virtual row, and when that was last heard.
fn publisher(case: &Case, row: &Standing, whose: &str) -> Option<String> {
    if row.kind != "virtual" {
        return None;
    }
    let Some(publisher) = &row.publisher else {
        return Some(format!("No publisher offers {}.", if whose == "Its publisher" { "it" } else { "its Llm" }));
    };
    let user = publisher.user.as_deref().unwrap_or("an unknown user");
    let connected = case.newest_of(row).filter(|event| event.what() == "connected");
    let way = connected.filter(|event| event.data("transport") == "long-poll").map_or("", |_| " by long-poll");
    let since = connected.map(|event| format!(" {}", event.since())).unwrap_or_default();
    let connection = match (row.connected, row.status.as_str()) {
        (true, "inactive") => Some("has its stream open, but is silent".to_owned()),
        (true, _) => Some(format!("is connected{way}{since}")),
        (false, "inactive") => Some("is not connected".to_owned()),
        // It is told as what is in the way.
        (false, _) => None,
    };
    // Of the past, the log knows no heartbeats.
    let heard = row.last_heartbeat_at.as_deref().filter(|_| !case.facts.past);
    let heard = heard.map(|at| format!("was last heard {} ago, at {at}", case.age(at)));
    let said: Vec<_> = connection.into_iter().chain(heard).collect();
    let said = if said.is_empty() { String::new() } else { format!(", which {}", said.join(", and ")) };
    Some(format!("{whose} is {} of {user}{said}.", publisher.session))
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
        let is_begun = ended.is_some() || case.is_whole;
        // The first is told by itself.
        sentences.extend(count(&case.events[TOLD..life - usize::from(is_begun)]));
        if is_begun {
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

/// How much more happened.
fn count(more: &[Document]) -> Option<String> {
    let oldest = Event(more.last()?).time()?;
    let fell = |event: &&Document| Event(event).what() == "deactivated" && Event(event).data("from") != "inactive";
    let gone = more.iter().filter(fell).count();
    let gone = match gone {
        0 => String::new(),
        1 => ", and was inactive once".to_owned(),
        times => format!(", and was inactive {times} times"),
    };
    let events = if more.len() == 1 { "one more event".to_owned() } else { format!("{} events", more.len()) };
    Some(format!("Before that it had {events} since {oldest}{gone}."))
}

/// Why an agent's Llm is not up, so that nobody has to ask again.
fn llm_cause(case: &Case) -> Option<String> {
    let llm = case.facts.llm.as_ref().filter(|llm| case.noun == RowNoun::Agent && llm.status == "inactive")?;
    let events = case.llm_events(&llm.name);
    let at = events.iter().position(|event| Event(event).what() == "deactivated")?;
    let event = Event(&events[at]);
    // What befell both is told already.
    let same = |own: Event| own.time() == event.time() && own.what() == event.what();
    let is_told = case.events.iter().take(TOLD).any(|own| same(Event(own)));
    (!is_told).then(|| format!("Its Llm '{}' {}.", llm.name, told(event, &events[at + 1..], case)))
}

/// What happened around it since its own last event.
fn since_then(case: &Case) -> Vec<String> {
    let last = case.events.first().map_or(0, |event| Event(event).sequence());
    let Some(row) = case.facts.row.as_ref().filter(|row| row.kind == "virtual") else { return Vec::new() };
    let mut sentences = Vec::new();
    let elections = case.facts.registry.iter().filter(|event| event.what == "writer_elected");
    let elections: Vec<_> = elections.take_while(|event| event.sequence > last).collect();
    if let Some(newest) = elections.first() {
        let often = if elections.len() == 1 { "" } else { " several times, the last time" };
        sentences.push(format!(
            "Since then a server was started or took over{often} at {} (event {}).",
            newest.time, newest.sequence
        ));
    }
    if row.status != "inactive" {
        sentences.extend(streams(case, row, last));
    }
    sentences
}

/// A stream that is lost again and again, or taken over.
fn streams(case: &Case, row: &Standing, after: u64) -> Vec<String> {
    let session = row.publisher.as_ref().map(|publisher| publisher.session.as_str()).unwrap_or_default();
    let events: Vec<_> = case.publisher_events(session).take_while(|event| event.sequence() > after).collect();
    let opened = |older: &str, cause: &str| -> Vec<Event> {
        let is = |pair: &&[Event]| {
            pair[0].what() == "connected"
                && pair[1].what() == older
                && (cause.is_empty() || pair[1].data("cause") == cause)
        };
        events.windows(2).filter(is).map(|pair| pair[0]).collect()
    };
    let mut sentences = Vec::new();
    if let taken @ [newest, _, ..] = opened("connected", "").as_slice() {
        sentences.push(format!(
            "Since then {} new streams of its publisher took the place of one that was open, the last {}: two processes \
             share its session, or its network breaks.",
            taken.len(),
            newest.at()
        ));
    }
    if let back @ [newest, _, _, ..] = opened("disconnected", "closed").as_slice() {
        sentences.push(format!(
            "Since then its publisher's stream ended and was opened again {} times, the last time {}.",
            back.len(),
            newest.at()
        ));
    }
    sentences
}
