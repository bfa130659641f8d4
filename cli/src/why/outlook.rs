//! What would change how it stands.

use super::case::Case;
use super::event::Event;
use crate::args::RowNoun;
use crate::clock::span;
use mcpctl_events::wire::why::{PoolStanding, Standing};

/// What ends the present state of a row that is there.
pub fn outlook(case: &Case, row: &Standing) -> Vec<String> {
    if case.facts.past {
        return Vec::new();
    }
    let mut sentences = Vec::new();
    if row.disabled {
        let command = format!("mcpctl enable {} {}", case.noun.word(), case.name);
        sentences.push(format!("`{command}` ends the pause; nothing that a publisher does ends it."));
    }
    match (row.kind.as_str(), row.status.as_str()) {
        ("public", _) => sentences.push(public(case, row)),
        (_, "inactive") => {
            sentences.push(comes_back(the(case), row));
            sentences.extend(deletion(case, row));
        }
        _ => sentences.extend(goes_away(case, the(case), row)),
    }
    if case.noun == RowNoun::Agent {
        sentences.extend(case.facts.llm.as_ref().map(|llm| of_llm(case, row, llm)).unwrap_or_default());
        let is_gone = case.facts.llm.is_none() && case.facts.pool.is_none();
        let gone = row.pin.as_deref().filter(|_| is_gone);
        sentences.extend(
            gone.map(|pin| format!("It can be called again once an Llm is in a pool '{pin}', or has that name.")),
        );
    }
    sentences
}

/// What would let a pool be called that can't be.
pub fn of_pool(pool: &PoolStanding) -> Option<String> {
    let down = !pool.members.iter().any(Standing::is_up);
    down.then(|| {
        "One member that comes back is enough; `mcpctl why llm` with the name of one says what would bring it back."
            .to_owned()
    })
}

/// What would bring an agent's Llm back, where that differs.
fn of_llm(case: &Case, row: &Standing, llm: &Standing) -> Vec<String> {
    let its = format!("Its Llm '{}'", llm.name);
    let mut sentences = Vec::new();
    if llm.disabled {
        sentences.push(format!("`mcpctl enable llm {}` ends the pause of its Llm.", llm.name));
    }
    if llm.status == "inactive" && (row.status != "inactive" || row.publisher != llm.publisher) {
        sentences.push(comes_back(&its, llm));
    }
    if llm.status != "inactive" && !llm.connected && row.publisher != llm.publisher {
        sentences.extend(goes_away(case, &its, llm));
    }
    sentences
}

fn the(case: &Case) -> &'static str {
    match case.noun {
        RowNoun::Agent => "The agent",
        RowNoun::Llm => "The Llm",
    }
}

/// What a name means that nothing has any more.
pub fn after_deletion(case: &Case) -> String {
    let Some(last) = case.events.first().map(Event).filter(|event| event.what() == "deleted") else {
        return "What became of it is not in the tables yet.".to_owned();
    };
    if last.data("sweepId").is_empty() {
        return "Whoever registers or creates the name begins anew; a publisher that still has it in its config.json does \
                so when it is started again, at the latest."
            .to_owned();
    }
    let kept = match case.noun {
        RowNoun::Agent => "its id and its threads",
        RowNoun::Llm => "its id",
    };
    format!(
        "If a publisher of the same user registers the name within 90 days of its deletion, it comes back with {kept}."
    )
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

fn comes_back(it: &str, row: &Standing) -> String {
    let owner = row.owner.as_deref().unwrap_or("its user");
    match &row.publisher {
        None => format!(
            "{it} comes back when a publisher of {owner} registers it again; a stream or a heartbeat is not enough, since \
             no publisher has it."
        ),
        Some(publisher) => format!(
            "{it} comes back when publisher {} opens a stream, sends a heartbeat or registers it, or when another publisher \
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
    if let Some(holder) = &row.held_by {
        return Some(format!("The sweep keeps it though its {kept} end at {after}, as long as this is so: {holder}."));
    }
    let sweeps = format!("there is one every {}", span_of(case.facts.limits.gc_interval_ms));
    // An Llm takes along what is pinned to it.
    let llm = case.facts.llm.as_ref().filter(|llm| case.noun == RowNoun::Agent && llm.held_by.is_none());
    let earlier = llm.and_then(|llm| Some((&llm.name, llm.deleted_after.as_deref()?)));
    let earlier = earlier.filter(|(_, at)| case.milliseconds_since(at) > case.milliseconds_since(after));
    let sooner = earlier.map_or(after, |(_, at)| at);
    if case.milliseconds_since(sooner) >= 0 {
        let soon = span_of(case.facts.limits.gc_interval_ms);
        return Some(format!(
            "Its {kept} passed {} ago, at {sooner}: if that does not happen before, the next sweep deletes it, at most \
             {soon} from now.",
            case.age(sooner)
        ));
    }
    Some(match earlier {
        Some((llm, at)) => format!(
            "If that does not happen before {at} (in {}), its Llm '{llm}' will have been inactive for {kept}, and the next \
             sweep deletes both; {sweeps}.",
            case.until(at)
        ),
        None => format!(
            "If that does not happen before {after} (in {}), it will have been inactive for {kept}, and the next sweep \
             deletes it; {sweeps}.",
            case.until(after)
        ),
    })
}

fn goes_away(case: &Case, it: &str, row: &Standing) -> Vec<String> {
    let limits = &case.facts.limits;
    let (grace, timeout) = (span_of(limits.disconnect_grace_ms), span_of(limits.heartbeat_timeout_ms));
    let mut sentences: Vec<_> = suspension(case).into_iter().collect();
    let silent = match row.expires_at.as_deref() {
        None => format!("when nothing is heard of it for {timeout}"),
        Some(at) if case.milliseconds_since(at) >= 0 => format!(
            "at the next sweep, at most {} from now, when nothing is heard of it before: its limit of {timeout} passed {} \
             ago",
            span_of(limits.gc_interval_ms),
            case.age(at)
        ),
        Some(at) => format!("when nothing is heard of it until {at} (in {}; the limit is {timeout})", case.until(at)),
    };
    let newest = case.newest_of(row);
    let polls = newest.is_some_and(|event| event.what() == "connected" && event.data("transport") == "long-poll");
    sentences.push(if row.connected && polls {
        format!("{it} becomes inactive when its publisher stops polling for some seconds, when it no longer offers it, or {silent}.")
    } else if row.connected {
        format!(
            "{it} becomes inactive when its publisher's stream ends and is not back within {grace}, when its publisher no \
             longer offers it, or {silent}."
        )
    } else if is_in_grace(case, row) {
        format!("{it} becomes inactive when its publisher's stream is not back within {grace} of that.")
    } else {
        format!("{it} becomes inactive {silent}; until then its publisher only has to come back.")
    });
    sentences
}

/// Whether the stream ended just now, so that its publisher may be back in a moment.
fn is_in_grace(case: &Case, row: &Standing) -> bool {
    let end = case.newest_of(row).filter(|event| event.what() == "disconnected" && event.data("cause") == "closed");
    let age = end.and_then(Event::time).map(|time| case.time().as_millis() - time.as_millis());
    age.is_some_and(|age| u64::try_from(age).is_ok_and(|age| age <= case.facts.limits.disconnect_grace_ms))
}

fn suspension(case: &Case) -> Option<String> {
    let until = case.facts.expiry_suspended_until.as_ref()?;
    let event = case.facts.registry.iter().find(|event| event.what == "expiry_suspended");
    let since = event.map(|event| {
        let why = match event.reason.as_deref() {
            Some("mass_silence") => "most publishers fell silent at once, which looks like a fault of the network",
            _ => "the clock of the server jumped",
        };
        format!(": that was suspended at {} (event {}), because {why}", event.time, event.sequence)
    });
    Some(format!(
        "Nobody is given up for silence until {until} (in {}){}.",
        case.until(until),
        since.unwrap_or_default()
    ))
}

fn span_of(milliseconds: u64) -> String {
    span(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}
