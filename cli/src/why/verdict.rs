//! Whether it can be called, and what is in the way: what a reader looks for first.

use super::case::{Case, named_members};
use super::event::Event;
use super::part::Part;
use crate::args::RowNoun;
use mcpctl_events::wire::why::{PoolStanding, Standing};

/// The first sentence; `row` is the row itself.
pub fn verdict(case: &Case, row: &Standing) -> String {
    let subject = format!("{} {} '{}'", capital(&row.kind), noun(case), case.name);
    let problems = problems(case, row);
    if !problems.is_empty() {
        return format!("{subject} cannot be called: {}.", list(&problems));
    }
    let own = Part::own(case, row);
    let mut states = vec![own.state()];
    if case.noun == RowNoun::Agent {
        states.extend(case.facts.llm.as_ref().map(|llm| llm_that_is_up(case, llm)));
        states.extend(case.facts.pool.as_ref().map(|pool| {
            let members = members(case, pool);
            format!("{} of its pool '{}' ({members})", up(pool), pool.name)
        }));
    }
    // Of both, where both have the same publisher.
    let llm = case.facts.llm.as_ref().filter(|llm| case.noun == RowNoun::Agent && llm.publisher != row.publisher);
    states.extend(own.silence().into_iter().chain(llm.and_then(|llm| Part::llm(case, llm).silence())));
    format!("{subject} can be called: {}.", list(&states))
}

/// The first sentence on a pool.
pub fn pool(case: &Case, pool: &PoolStanding) -> String {
    let can = if pool.members.iter().any(Standing::is_up) { "can" } else { "cannot" };
    let members = members(case, pool);
    format!("'{}' is a pool of Llms, and {can} be called: {} ({members}).", pool.name, up(pool))
}

/// Whether nothing is in the way of a call.
pub fn is_callable(case: &Case) -> bool {
    match (&case.facts.row, &case.facts.pool) {
        (Some(row), _) => problems(case, row).is_empty(),
        (None, Some(pool)) => pool.members.iter().any(Standing::is_up),
        (None, None) => false,
    }
}

/// All that is in the way.
fn problems(case: &Case, row: &Standing) -> Vec<String> {
    let own = Part::own(case, row);
    let Some(pin) = row.pin.as_deref().filter(|_| case.noun == RowNoun::Agent) else { return own.problems() };
    match (&case.facts.llm, &case.facts.pool) {
        (Some(llm), _) => with_llm(&own, &Part::llm(case, llm)),
        (None, Some(pool)) if pool.members.iter().any(Standing::is_up) => own.problems(),
        (None, Some(pool)) => {
            let none = format!("no member of its pool '{}' can ({})", pool.name, members(case, pool));
            own.problems().into_iter().chain([none]).collect()
        }
        (None, None) => {
            let gone = format!("its Llm or pool '{pin}' is not there any more");
            own.problems().into_iter().chain([gone]).collect()
        }
    }
}

/// What befell an agent and its Llm together is told once.
fn with_llm(own: &Part, llm: &Part) -> Vec<String> {
    let (row, pinned) = (own.row, llm.row);
    let fell_together = row.status == "inactive" && pinned.inactive_since == row.inactive_since && !pinned.disabled;
    if fell_together && pinned.status == "inactive" {
        return own.problems().into_iter().chain([format!("so is {}", llm.it)]).collect();
    }
    if own.is_away() && llm.is_away() && row.publisher == pinned.publisher {
        let mut problems = own.pauses();
        problems.extend(llm.pauses());
        problems.push(own.away(&format!("it and {} count as active still", llm.it)));
        return problems;
    }
    own.problems().into_iter().chain(llm.problems()).collect()
}

fn llm_that_is_up(case: &Case, llm: &Standing) -> String {
    let part = Part::llm(case, llm);
    let since = part.stands_since().filter(|event| case.stands_since().and_then(Event::time) != event.time());
    let since = since.map(|event| format!(" {}", event.since())).unwrap_or_default();
    match (llm.kind.as_str(), llm.status.as_str()) {
        ("public", _) => format!("{} is public: nobody watches its URL, a call finds out whether it answers", part.it),
        (_, "hibernating") => part.state(),
        _ => format!("{} can be called{since}", part.it),
    }
}

/// How the members stand, those that can't be called first; of many only some.
fn members(case: &Case, pool: &PoolStanding) -> String {
    let mut said: Vec<_> = named_members(pool).map(|member| Part::member(case, member).in_short()).collect();
    let more = pool.members.len() - said.len();
    if more > 0 {
        said.push(format!("and {more} more, of which `mcpctl get llms` tells"));
    }
    said.join("; ")
}

fn up(pool: &PoolStanding) -> String {
    let up = pool.members.iter().filter(|member| member.is_up()).count();
    format!("{up} of {} members", pool.members.len())
}

fn noun(case: &Case) -> &'static str {
    match case.noun {
        RowNoun::Agent => "agent",
        RowNoun::Llm => "Llm",
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `a`, `a, and b`, `a, b, and c`.
fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{}, and {last}", rest.join(", ")),
    }
}
