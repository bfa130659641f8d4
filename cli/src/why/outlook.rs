//! What would change how it stands.

use super::case::Case;
use super::event::Event;
use crate::args::RowNoun;
use crate::clock::span;
use mcpctl_events::wire::why::Standing;

/// What ends the present state of a row that is there.
pub fn outlook(case: &Case, row: &Standing) -> Vec<String> {
    let mut sentences = Vec::new();
    if row.disabled {
        let command = format!("mcpctl enable {} {}", case.noun.word(), case.name);
        sentences.push(format!("`{command}` ends the pause; nothing that a publisher does ends it."));
    }
    if case.facts.past {
        return sentences;
    }
    match (row.kind.as_str(), row.status.as_str()) {
        ("public", _) => sentences.push(public(case, row)),
        (_, "inactive") => {
            sentences.push(comes_back(row));
            sentences.extend(deletion(case, row));
        }
        _ => sentences.extend(goes_away(case, row)),
    }
    sentences
}

/// What a name means that nothing has any more.
pub fn after_deletion(case: &Case) -> String {
    let last = case.events.first().map(Event);
    if last.is_none_or(|event| event.data("sweepId").is_empty()) {
        return "Whoever registers or creates the name begins anew.".to_owned();
    }
    let kept = match case.noun {
        RowNoun::Agent => "its id and its threads",
        RowNoun::Llm => "its id",
    };
    format!("If a publisher of the same user registers the name within 90 days of that, it comes back with {kept}.")
}

fn public(case: &Case, row: &Standing) -> String {
    let pinned = case.noun == RowNoun::Agent;
    match (pinned, row.disabled) {
        (true, false) => {
            "A public agent stays until somebody changes, disables or deletes it; whether it can be called \
                          goes with what it is pinned to."
        }
        (true, true) => {
            "For the rest it stays until somebody changes or deletes it, and goes with what it is pinned to."
        }
        (false, false) => {
            "A public Llm stays until somebody changes, disables or deletes it. Nobody watches its URL: whether that \
             answers, a call finds out."
        }
        (false, true) => "For the rest it stays until somebody changes or deletes it.",
    }
    .to_owned()
}

fn comes_back(row: &Standing) -> String {
    let owner = row.owner.as_deref().unwrap_or("its user");
    match &row.publisher {
        None => format!(
            "It comes back when a publisher of {owner} registers it again; a stream or a heartbeat is not enough, since \
             no publisher has it."
        ),
        Some(publisher) => format!(
            "It comes back when publisher {} opens a stream, sends a heartbeat or registers it, or when another publisher \
             of {owner} registers it.",
            short(&publisher.session)
        ),
    }
}

/// An id that was named whole before.
fn short(id: &str) -> String {
    match id.char_indices().nth(8) {
        Some((at, _)) => format!("{}…", &id[..at]),
        None => id.to_owned(),
    }
}

fn deletion(case: &Case, row: &Standing) -> Option<String> {
    let after = row.deleted_after.as_deref()?;
    let kept = span_of(case.facts.limits.inactive_retention_ms);
    Some(match &row.held_by {
        Some(holder) => format!("It is not deleted after its {kept}, at {after}, because {holder}."),
        None => format!(
            "If that does not happen before {after} (in {}), it will have been inactive for {kept}, and the next sweep \
             deletes it; there is one every {}.",
            case.until(after),
            span_of(case.facts.limits.gc_interval_ms)
        ),
    })
}

fn goes_away(case: &Case, row: &Standing) -> Vec<String> {
    let limits = &case.facts.limits;
    let (grace, timeout) = (span_of(limits.disconnect_grace_ms), span_of(limits.heartbeat_timeout_ms));
    let mut sentences = Vec::new();
    if let Some(until) = &case.facts.expiry_suspended_until {
        let event = case.registry_events.iter().map(Event).find(|event| event.what() == "expiry_suspended");
        let (at, why) = event.map_or_else(Default::default, |event| {
            let why = match event.data("reason").as_str() {
                "mass_silence" => "most publishers fell silent at once, which looks like a fault of the network",
                _ => "the clock of the server jumped",
            };
            (format!(" {}", event.at()), why)
        });
        sentences.push(format!(
            "Nobody is given up for silence until {until} (in {}): that was suspended{at}, because {why}.",
            case.until(until)
        ));
    }
    let silent = row.expires_at.as_ref().map_or_else(
        || format!("when nothing is heard of that for {timeout}"),
        |at| format!("when nothing is heard of that until {at} (in {}; the limit is {timeout})", case.until(at)),
    );
    sentences.push(if row.connected {
        format!(
            "It becomes inactive when its publisher's stream ends and is not back within {grace}, when its publisher no \
             longer offers it, or {silent}."
        )
    } else {
        format!("It becomes inactive {silent}; until then its publisher only has to come back.")
    });
    sentences
}

fn span_of(milliseconds: u64) -> String {
    span(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}
