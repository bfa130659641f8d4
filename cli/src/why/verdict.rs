//! Whether it can be called, and what is in the way: what a reader looks for first.

use super::case::Case;
use super::event::Event;
use crate::args::RowNoun;
use crate::output::document::Document;
use mcpctl_events::wire::why::{PoolStanding, Standing};

/// Members of a pool that are named.
const NAMED: usize = 4;

/// The first sentence; `row` is the row itself.
pub fn verdict(case: &Case, row: &Standing) -> String {
    let subject = format!("{} {} '{}'", capital(&row.kind), noun(case), case.name);
    let problems = problems(case, row);
    if !problems.is_empty() {
        return format!("{subject} cannot be called: {}.", list(&problems));
    }
    let mut states = vec![state(case, row)];
    if case.noun == RowNoun::Agent {
        states.extend(case.facts.llm.as_ref().map(|llm| match llm.status.as_str() {
            "hibernating" => format!("its Llm '{}' is asleep, and the next call tries to wake that", llm.name),
            _ => format!("its Llm '{}' can be called", llm.name),
        }));
        states.extend(case.facts.pool.as_ref().map(|pool| format!("{} of its {}", of_pool(pool), quoted(pool))));
    }
    format!("{subject} can be called: {}.", list(&states))
}

/// The first sentence on a pool.
pub fn pool(case: &Case, pool: &PoolStanding) -> String {
    let up = pool.members.iter().filter(|member| member.is_up()).count();
    let can = if up == 0 { "cannot" } else { "can" };
    let members: Vec<_> = pool.members.iter().map(|member| member_state(case, member)).collect();
    format!(
        "'{}' is a pool of Llms, and {can} be called: {}. {}.",
        pool.name,
        of_pool(pool),
        shortened(members, " `mcpctl get llms` shows them all")
    )
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
    let mut problems = own_problems(case, row, case.events, ["it", "its publisher"]);
    if case.noun == RowNoun::Llm {
        return problems;
    }
    match (&case.facts.llm, &case.facts.pool) {
        (Some(llm), _) if llm.status == "inactive" && llm.inactive_since == row.inactive_since && !llm.disabled => {
            problems.push(format!("so is its Llm '{}'", llm.name));
        }
        (Some(llm), _) => {
            let its = format!("its Llm '{}'", llm.name);
            let whose = format!("the publisher of {its}");
            problems.extend(own_problems(case, llm, case.llm_events, [&its, &whose]));
        }
        (None, Some(pool)) if pool.members.iter().any(Standing::is_up) => {}
        (None, Some(pool)) => {
            let members = pool.members.iter().map(|member| member_state(case, member)).collect();
            let all = shortened(members, &format!(" `mcpctl why llm {}` tells of all", pool.name));
            problems.push(format!("no member of its {} can ({all})", quoted(pool)));
        }
        (None, None) => {
            let name = row.pin.as_deref().unwrap_or_default();
            problems.push(format!("its Llm or pool '{name}' is not there any more"));
        }
    }
    problems
}

fn own_problems(case: &Case, row: &Standing, events: &[Document], [it, publisher]: [&str; 2]) -> Vec<String> {
    let mut problems = Vec::new();
    if row.disabled {
        let pause = events.iter().map(Event).find(|event| matches!(event.what(), "disabled" | "enabled"));
        let pause = pause.map(|event| format!(" {} {}", event.since(), event.by())).unwrap_or_default();
        problems.push(format!("{it} is disabled by hand{pause}"));
    }
    if row.status == "inactive" {
        let since = row.inactive_since.as_deref().unwrap_or_default();
        problems.push(format!("{it} is inactive since {since}, for {}", case.age(since)));
    } else if !row.connected {
        let end = case.publisher_events.first().map(Event).filter(|event| event.what() == "disconnected");
        let end = end.map(|event| format!(" {}", event.since())).unwrap_or_default();
        problems.push(format!("{publisher} is not connected{end}, though {it} counts as {} still", row.status));
    }
    problems
}

fn state(case: &Case, row: &Standing) -> String {
    let since = case.stands_since().map(|event| {
        let time = event.time().map(|time| time.to_string()).unwrap_or_default();
        format!(" since {time}, for {}", case.age(&time))
    });
    let since = since.unwrap_or_default();
    match row.status.as_str() {
        "hibernating" => format!("it is asleep{since}, and the next call tries to wake it{}", failed_wake(case)),
        status => format!("it is {status}{since}"),
    }
}

/// What became of the last try to wake it.
fn failed_wake(case: &Case) -> String {
    let last = case.events.first().map(Event).filter(|event| event.what() == "wake_failed");
    last.map(|event| format!("; the last try failed {}: {}", event.at(), event.data("reason"))).unwrap_or_default()
}

fn of_pool(pool: &PoolStanding) -> String {
    let up = pool.members.iter().filter(|member| member.is_up()).count();
    format!("{up} of {} members can be called", pool.members.len())
}

fn quoted(pool: &PoolStanding) -> String {
    format!("pool '{}'", pool.name)
}

fn member_state(case: &Case, member: &Standing) -> String {
    let name = &member.name;
    match member.status.as_str() {
        _ if member.disabled => format!("'{name}' is disabled by hand"),
        "inactive" => {
            let since = member.inactive_since.as_deref().unwrap_or_default();
            format!("'{name}' is inactive since {since}, for {}", case.age(since))
        }
        _ if !member.connected => format!("the publisher of '{name}' is not connected"),
        "hibernating" => format!("'{name}' is asleep"),
        status => format!("'{name}' is {status}"),
    }
}

fn shortened(mut members: Vec<String>, rest: &str) -> String {
    let more = members.len().saturating_sub(NAMED);
    members.truncate(NAMED);
    let said = members.join("; ");
    if more > 0 { format!("{said}; and {more} more:{rest}") } else { said }
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
