//! Events and rows in plain words.

use crate::args::RowNoun;
use crate::events::word;
use crate::history::what;
use crate::output::document::Document;

/// Changes of status that are told before the last one.
const BEFORE: usize = 3;

/// What an agent is pinned to.
pub enum Model {
    /// The row is an Llm itself.
    None,
    /// A pool of this name.
    Pool(String),
    /// An Llm.
    Llm(Document),
    /// An Llm that is gone.
    Gone(String),
}

/// The whole explanation. `events` are the row's, the newest first; `row` is none once it is gone.
pub fn paragraph(noun: RowNoun, name: &str, row: Option<&Document>, events: &[Document], model: &Model) -> String {
    let title = match noun {
        RowNoun::Agent => "Agent",
        RowNoun::Llm => "Llm",
    };
    let mut sentences = vec![match row {
        Some(row) => format!("{title} '{name}' is {}.", standing(row)),
        None => format!("{title} '{name}' is not there any more."),
    }];
    let mut changes = events.iter().filter(|event| changes_status(event));
    if let Some(last) = changes.next() {
        sentences.push(format!("It {}.", told(last)));
    }
    let earlier: Vec<_> = changes.take_while(|event| what(event) != "deleted").collect();
    for event in earlier.iter().take(BEFORE) {
        sentences.push(format!("Before that it {}.", told(event)));
    }
    if earlier.len() > BEFORE
        && let Some(origin) = earlier.last().filter(|event| is_origin(event))
    {
        sentences.push(format!("In the beginning it {}.", told(origin)));
    }
    if let Some(row) = row {
        sentences.push(why_not_callable(row, model));
    }
    sentences.extend(what_would_change_it(row, events.first()));
    sentences.join(" ")
}

fn flag(row: &Document, key: &str) -> bool {
    row.get(key) == Some(&Document::Token("true".to_owned()))
}

fn standing(row: &Document) -> String {
    let (kind, status, since) = (word(row, "kind"), word(row, "status"), word(row, "inactiveSince"));
    let since = if since.is_empty() { String::new() } else { format!(" since {since}") };
    let paused = if flag(row, "disabled") { ", and disabled by hand" } else { "" };
    let connected = match (kind.as_str(), flag(row, "connected")) {
        ("virtual", true) => ", and its publisher is connected",
        ("virtual", false) => ", and its publisher is not connected",
        _ => "",
    };
    let heard = word(row, "lastHeartbeatAt");
    let heard = if heard.is_empty() { String::new() } else { format!(" (last heard at {heard})") };
    format!("{kind} and {status}{since}{paused}{connected}{heard}")
}

fn changes_status(event: &Document) -> bool {
    !matches!(what(event), "updated" | "disabled" | "enabled")
        || event.get("data").is_some_and(|data| word(data, "from") != word(data, "to"))
}

fn is_origin(event: &Document) -> bool {
    matches!(what(event), "registered" | "restored" | "created")
}

/// What happened, when, and why, with its evidence: `became inactive at …`.
fn told(event: &Document) -> String {
    let at = format!("at {} (event {})", word(event, "time"), word(event, "sequence"));
    let actor = word(event, "actor");
    let by =
        actor.strip_prefix("user/").map_or_else(|| format!("by the {}", tail(&actor)), |user| format!("by {user}"));
    let data = |key: &str| event.get("data").map(|data| word(data, key)).unwrap_or_default();
    match what(event) {
        "registered" => format!("was registered {at} {by}"),
        "restored" => format!("was registered again {at} {by}, and got back the id that it had before it was deleted"),
        "created" => format!("was created {at} {by}"),
        "updated" => format!("became public {at}, because {} took its definition over", tail(&actor)),
        "activated" if data("cause") == "woken" => {
            format!("was woken {at}{}", after(&data("latencyMs")))
        }
        "activated" => format!("became active {at}, {}", came_back(&data("cause"))),
        "hibernated" if data("cause") == "slept" => {
            format!("went to sleep {at}, because its publisher put it to sleep")
        }
        "hibernated" => format!("came back asleep {at}, {}", came_back(&data("cause"))),
        "wake_failed" => format!("could not be woken {at}{}: {}", after(&data("latencyMs")), data("reason")),
        "deactivated" => format!("became inactive {at}, {}", went_away(&data)),
        "deleted" => format!("was deleted {at}, {}", was_deleted(&data, &by)),
        other => format!("had the event `{other}` {at}, cause {}", data("cause")),
    }
}

fn tail(actor: &str) -> &str {
    actor.split_once('/').map_or(actor, |(_, name)| name)
}

fn after(milliseconds: &str) -> String {
    match milliseconds.parse::<u64>() {
        Ok(ms) => format!(" after {}.{} s", ms / 1000, ms % 1000 / 100),
        Err(_) => String::new(),
    }
}

fn came_back(cause: &str) -> String {
    match cause {
        "registered" => "because its publisher registered it again".to_owned(),
        "adopted" => "because another session of the same user registered it and took it over".to_owned(),
        "reconnected" => "because its publisher's stream was opened again".to_owned(),
        "heartbeat" => "because a heartbeat of its publisher was heard again".to_owned(),
        other => format!("cause {other}"),
    }
}

fn went_away(data: &impl Fn(&str) -> String) -> String {
    let heard = match data("lastHeartbeatAt") {
        none if none.is_empty() => String::new(),
        at => format!("; it was last heard at {at}"),
    };
    match data("cause").as_str() {
        "disconnected" => format!("because its publisher's stream ended and no new one came in time{heard}"),
        "node_lost" => format!("because the server process that held its publisher's stream is gone{heard}"),
        "heartbeat_stale" => format!(
            "because no heartbeat of its publisher was heard since {}: whoever was last heard before {} counted as gone",
            data("lastHeartbeatAt"),
            data("cutoff")
        ),
        "withdrawn" => "because its publisher no longer declares it".to_owned(),
        other => format!("cause {other}{heard}"),
    }
}

fn was_deleted(data: &impl Fn(&str) -> String, by: &str) -> String {
    match data("cause").as_str() {
        "user" => by.to_owned(),
        "llm_deleted" => format!("together with the Llm that it was pinned to, {by}"),
        "retention" => format!(
            "because it had been inactive since {}, and what was inactive since before {} is not kept",
            data("inactiveSince"),
            data("cutoff")
        ),
        other => format!("cause {other}"),
    }
}

fn why_not_callable(row: &Document, model: &Model) -> String {
    let is_up = word(row, "status") != "inactive" && flag(row, "connected") && !flag(row, "disabled");
    match model {
        Model::Llm(llm) if is_up => {
            let name = word(llm, "name");
            let reason = match word(llm, "status").as_str() {
                _ if flag(llm, "disabled") => "is disabled by hand",
                "inactive" => "is inactive",
                "hibernating" => return format!("Its Llm '{name}' is asleep; the next call wakes it."),
                _ if !flag(llm, "connected") => "has no connected publisher",
                _ => return format!("It can be called: its Llm '{name}' can."),
            };
            format!("Yet it cannot be called: its Llm '{name}' {reason} (`mcpctl why llm {name}`).")
        }
        Model::Gone(name) => format!("It cannot be called: its Llm '{name}' is gone."),
        Model::Pool(name) if is_up => {
            format!("It is pinned to pool '{name}', and can be called while a member of that can.")
        }
        Model::None if is_up && word(row, "status") == "hibernating" => "The next call wakes it.".to_owned(),
        Model::None if is_up => "It can be called.".to_owned(),
        _ => "It cannot be called.".to_owned(),
    }
}

fn what_would_change_it(row: Option<&Document>, last: Option<&Document>) -> Vec<String> {
    let Some(row) = row else { return vec![after_deletion(last)] };
    let mut sentences = Vec::new();
    if flag(row, "disabled") {
        sentences.push("The pause ends with `mcpctl enable`; nothing that a publisher does ends it.".to_owned());
    }
    let sentence = match (word(row, "kind").as_str(), word(row, "status").as_str()) {
        ("public", _) => "It stays so until somebody changes, disables or deletes it.",
        (_, "inactive") => {
            "It comes back as soon as a publisher of its user connects, sends a heartbeat, or registers it again; if none \
             does, it is deleted once it was inactive for the server's retention, 4 h unless --inactive-retention says \
             otherwise."
        }
        _ => {
            "It becomes inactive when its publisher's stream ends for good, no longer declares it, or is not heard for \
             the server's heartbeat timeout, 90 s unless --heartbeat-timeout says otherwise."
        }
    };
    sentences.push(sentence.to_owned());
    sentences
}

fn after_deletion(last: Option<&Document>) -> String {
    let data = last.and_then(|event| event.get("data"));
    let by_the_sweep = data.is_some_and(|data| !word(data, "sweepId").is_empty());
    if by_the_sweep {
        "If a publisher of the same user registers the name within 90 days, it comes back with its id and its threads."
    } else {
        "Whoever registers or creates the name begins anew."
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, what: &str, data: &str) -> Document {
        let text = format!(
            r#"{{"sequence":"{sequence}","time":"T{sequence}","type":"mcpctl.agent.{what}.v1","actor":"user/ann","data":{data}}}"#
        );
        Document::parse(&text).unwrap()
    }

    #[test]
    fn a_deleted_agent_is_explained_from_its_end_to_its_beginning() {
        let events = [
            event(9, "deleted", r#"{"cause":"retention","inactiveSince":"T7","cutoff":"T8","sweepId":"s"}"#),
            event(7, "deactivated", r#"{"cause":"heartbeat_stale","lastHeartbeatAt":"T5","cutoff":"T6"}"#),
            event(6, "updated", r#"{"cause":"registered","from":"active","to":"active"}"#),
            event(3, "registered", r#"{"cause":"registered","from":null,"to":"active"}"#),
            event(1, "deleted", r#"{"cause":"user","from":"active","to":null}"#),
        ];
        assert_eq!(
            paragraph(RowNoun::Agent, "coder", None, &events, &Model::None),
            "Agent 'coder' is not there any more. It was deleted at T9 (event 9), because it had been inactive since T7, \
             and what was inactive since before T8 is not kept. Before that it became inactive at T7 (event 7), because \
             no heartbeat of its publisher was heard since T5: whoever was last heard before T6 counted as gone. Before \
             that it was registered at T3 (event 3) by ann. If a publisher of the same user registers the name within 90 \
             days, it comes back with its id and its threads."
        );
    }

    #[test]
    fn a_row_that_is_there_says_whether_it_can_be_called_and_what_would_change_it() {
        let row = |status: &str, connected: bool, disabled: bool| {
            let text = format!(
                r#"{{"kind":"virtual","status":"{status}","connected":{connected},"disabled":{disabled},"lastHeartbeatAt":"T4","inactiveSince":null}}"#
            );
            Document::parse(&text).unwrap()
        };
        let events = [event(3, "activated", r#"{"cause":"reconnected","from":"inactive","to":"active"}"#)];
        let llm = Document::parse(r#"{"name":"qwen","status":"active","connected":true,"disabled":true}"#).unwrap();
        let said = paragraph(RowNoun::Agent, "a", Some(&row("active", true, false)), &events, &Model::Llm(llm));
        assert!(
            said.starts_with(
                "Agent 'a' is virtual and active, and its publisher is connected (last heard at T4). It became active at \
                 T3 (event 3), because its publisher's stream was opened again. Yet it cannot be called: its Llm 'qwen' \
                 is disabled by hand (`mcpctl why llm qwen`)."
            ),
            "{said}"
        );
        let said = paragraph(RowNoun::Llm, "q", Some(&row("hibernating", true, false)), &[], &Model::None);
        assert!(said.contains("The next call wakes it.") && said.contains("90 s"), "{said}");
        let said = paragraph(RowNoun::Llm, "q", Some(&row("active", true, true)), &[], &Model::None);
        assert!(said.contains("It cannot be called. The pause ends with `mcpctl enable`"), "{said}");
        let said = paragraph(RowNoun::Llm, "q", Some(&row("inactive", false, false)), &[], &Model::None);
        assert!(said.contains("It cannot be called. It comes back as soon as"), "{said}");
    }

    #[test]
    fn a_long_life_is_told_from_both_ends() {
        let mut events: Vec<_> = (2..20).rev().map(|n| event(n, "activated", r#"{"cause":"heartbeat"}"#)).collect();
        events.push(event(1, "registered", "{}"));
        let said = paragraph(RowNoun::Agent, "a", None, &events, &Model::None);
        assert_eq!(said.matches("Before that it").count(), BEFORE);
        assert!(said.contains("In the beginning it was registered at T1 (event 1) by ann."), "{said}");
    }
}
