use super::case::Case;
use super::paragraph::paragraph;
use super::verdict::is_callable;
use crate::args::RowNoun;
use crate::output::document::Document;
use mcpctl_events::wire::why::{Facts, Limits, PoolStanding, Publisher, RegistryEvent, Standing};

/// 2026-01-31, at this second after noon.
fn at(second: u32) -> String {
    format!("2026-01-31T12:{:02}:{:02}.000Z", second / 60, second % 60)
}

fn event(sequence: u32, what: &str, data: &str) -> Document {
    let text = format!(
        r#"{{"sequence":"{sequence}","time":"{}","type":"mcpctl.agent.{what}.v1","actor":"user/ann","data":{data}}}"#,
        at(sequence)
    );
    Document::parse(&text).unwrap()
}

/// A virtual row of session `s-1`.
fn row(name: &str, status: &str) -> Standing {
    Standing {
        name: name.to_owned(),
        kind: "virtual".to_owned(),
        status: status.to_owned(),
        disabled: false,
        connected: status != "inactive",
        pin: Some("qwen".to_owned()),
        publisher: Some(Publisher { session: "s-1".to_owned(), user: Some("ann".to_owned()) }),
        owner: Some("ann".to_owned()),
        last_heartbeat_at: Some(at(50)),
        inactive_since: (status == "inactive").then(|| at(20)),
        expires_at: (status != "inactive").then(|| at(140)),
        deleted_after: (status == "inactive").then(|| "2026-01-31T16:00:20.000Z".to_owned()),
        held_by: None,
    }
}

fn facts(row: Option<Standing>) -> Facts {
    Facts {
        sequence: 99,
        time: at(60),
        past: false,
        row,
        llm: Some(self::row("qwen", "active")),
        pool: None,
        expiry_suspended_until: None,
        limits: Limits {
            heartbeat_timeout_ms: 90_000,
            inactive_retention_ms: 4 * 3_600_000,
            disconnect_grace_ms: 250,
            gc_interval_ms: 60_000,
        },
        registry: Vec::new(),
    }
}

fn case<'a>(noun: RowNoun, facts: &'a Facts, events: &'a [Document]) -> Case<'a> {
    Case { noun, name: "a", facts, events, is_whole: true, llms: &[], publishers: &[] }
}

#[track_caller]
fn says(case: &Case, parts: &[&str]) {
    let said = paragraph(case);
    let mut rest = said.as_str();
    for part in parts {
        let Some(found) = rest.find(part) else { panic!("`{part}` is not there, or not in order, in:\n{said}") };
        rest = &rest[found + part.len()..];
    }
}

const REGISTERED: &str = r#"{"cause":"registered","from":null,"to":"active","kind":"virtual","sessionId":"s-1",
    "definition":{"llm":{"id":"1","name":"qwen"},"systemPrompt":"x"}}"#;

#[test]
fn one_that_is_well_is_explained_whole() {
    let facts = facts(Some(row("a", "active")));
    let events = [event(5, "registered", REGISTERED)];
    let connected = [("s-1".to_owned(), vec![event(6, "connected", "{}")])];
    let case = Case { publishers: &connected, ..case(RowNoun::Agent, &facts, &events) };
    assert_eq!(
        paragraph(&case),
        "Virtual agent 'a' can be called: it is active since 2026-01-31T12:00:05.000Z (event 5), for 55 s, and its Llm 'qwen' can be \
         called. Its publisher is s-1 of ann, which is connected since 2026-01-31T12:00:06.000Z (event 6), and was last heard 10 s \
         ago, at 2026-01-31T12:00:50.000Z. It was registered at 2026-01-31T12:00:05.000Z (event 5) by ann. The agent becomes inactive when its publisher's stream ends and is not back within 250 ms, when its publisher no \
         longer offers it, or when nothing is heard of it until 2026-01-31T12:02:20.000Z (in 1 min 20 s; the limit is \
         1 min 30 s)."
    );
}

#[test]
fn one_that_went_away_says_so_first_and_then_why_and_what_brings_it_back() {
    let facts = facts(Some(row("a", "inactive")));
    let events = [
        event(20, "deactivated", r#"{"cause":"disconnected","from":"active","to":"inactive","sessionId":"s-1"}"#),
        event(5, "registered", REGISTERED),
    ];
    let ended = [("s-1".to_owned(), vec![event(19, "disconnected", "{}"), event(6, "connected", "{}")])];
    let case = Case { publishers: &ended, ..case(RowNoun::Agent, &facts, &events) };
    assert!(!is_callable(&case));
    says(
        &case,
        &[
            "Virtual agent 'a' cannot be called: it is inactive since 2026-01-31T12:00:20.000Z, for 40 s.",
            "Its publisher is s-1 of ann, which is not connected, and was last heard 10 s ago",
            "It became inactive at 2026-01-31T12:00:20.000Z (event 20), because its publisher's stream ended at \
             2026-01-31T12:00:19.000Z (event 19) and no new one came in time",
            "Before that it was registered",
            "The agent comes back when publisher s-1 opens a stream, sends a heartbeat or registers it, or when another \
             publisher of ann registers it.",
            "If that does not happen before 2026-01-31T16:00:20.000Z (in 3 h 59 min), it will have been inactive for 4 h, and the next sweep deletes it; there is one every 1 min.",
        ],
    );
}

#[test]
fn the_stream_that_ended_is_that_of_the_publisher_that_it_had() {
    // By now it belongs to another publisher, whose stream ended, too.
    let facts = facts(Some(Standing {
        publisher: Some(Publisher { session: "s-2".to_owned(), user: None }),
        connected: false,
        ..row("a", "active")
    }));
    let adopted = r#"{"cause":"adopted","from":"inactive","to":"active","sessionId":"s-2"}"#;
    let fell = r#"{"cause":"disconnected","from":"active","to":"inactive","sessionId":"s-1"}"#;
    let events = [event(30, "activated", adopted), event(20, "deactivated", fell), event(5, "registered", REGISTERED)];
    let publishers = [
        ("s-1".to_owned(), vec![event(19, "disconnected", "{}")]),
        ("s-2".to_owned(), vec![event(40, "disconnected", "{}"), event(18, "disconnected", "{}")]),
    ];
    let case = Case { publishers: &publishers, ..case(RowNoun::Agent, &facts, &events) };
    says(
        &case,
        &[
            "its publisher is not connected since 2026-01-31T12:00:40.000Z (event 40)",
            "because another publisher of the same user, s-2, registered it",
            "because its publisher's stream ended at 2026-01-31T12:00:19.000Z (event 19)",
            "by ann with publisher s-1",
        ],
    );
}

#[test]
fn an_agent_goes_with_its_llm_if_that_is_sooner() {
    let mut facts = facts(Some(row("a", "inactive")));
    let soon = Some("2026-01-31T12:05:00.000Z".to_owned());
    facts.llm = Some(Standing { deleted_after: soon, ..row("qwen", "inactive") });
    let said =
        ["If that does not happen before 2026-01-31T12:05:00.000Z (in 4 min), its Llm 'qwen' will have been inactive"];
    says(&case(RowNoun::Agent, &facts, &[]), &said);
    let llm = facts.llm.as_mut().unwrap();
    llm.held_by = Some("public agent 'b' is pinned to it".to_owned());
    says(&case(RowNoun::Agent, &facts, &[]), &["before 2026-01-31T16:00:20.000Z"]);
    facts.row.as_mut().unwrap().held_by.clone_from(&facts.llm.unwrap().held_by);
    facts.llm = None;
    let held = [
        "The sweep keeps it though its 4 h end at 2026-01-31T16:00:20.000Z, as long as this is so: public agent 'b' is pinned",
    ];
    says(&case(RowNoun::Llm, &facts, &[]), &held);
}

#[test]
fn one_whose_stream_ended_just_now_has_a_moment() {
    let mut facts = facts(Some(Standing { connected: false, ..row("a", "active") }));
    facts.limits.disconnect_grace_ms = 60_000;
    let ended = [("s-1".to_owned(), vec![event(50, "disconnected", r#"{"cause":"closed"}"#)])];
    let case = Case { publishers: &ended, ..case(RowNoun::Agent, &facts, &[]) };
    says(&case, &["The agent becomes inactive when its publisher's stream is not back within 1 min of that."]);
}

#[test]
fn silence_is_told_with_how_long_and_the_limit() {
    let facts = facts(Some(row("a", "inactive")));
    let stale = format!(
        r#"{{"cause":"heartbeat_stale","from":"active","to":"inactive","lastHeartbeatAt":"{}","cutoff":"{}"}}"#,
        at(100),
        at(110)
    );
    let events = [event(200, "deactivated", &stale), event(5, "registered", REGISTERED)];
    says(
        &case(RowNoun::Agent, &facts, &events),
        &["because no heartbeat or other sign of its publisher came for 1 min 40 s, and 1 min 30 s is the limit"],
    );
}

#[test]
fn one_that_nobody_offers_any_more_needs_a_register() {
    let mut facts = facts(Some(Standing { publisher: None, ..row("a", "inactive") }));
    let withdrawn = r#"{"cause":"withdrawn","from":"inactive","to":"inactive"}"#;
    let events = [event(30, "deactivated", withdrawn), event(5, "registered", REGISTERED)];
    says(
        &case(RowNoun::Agent, &facts, &events),
        &[
            "No publisher offers it.",
            "It was given up at 2026-01-31T12:00:30.000Z (event 30) while it was inactive already, because its publisher no \
             longer offers it: its register did not name it",
            "The agent comes back when a publisher of ann registers it again; a stream or a heartbeat is not enough",
        ],
    );
    facts.row = Some(row("a", "active"));
    let adopted = r#"{"cause":"adopted","from":"inactive","to":"active","sessionId":"s-1"}"#;
    let other = r#"{"cause":"adopted","from":"inactive","to":"active","sessionId":"s-2"}"#;
    let events = [
        event(50, "activated", other),
        event(40, "activated", adopted),
        event(30, "deactivated", withdrawn),
        event(5, "registered", REGISTERED),
    ];
    says(
        &case(RowNoun::Agent, &facts, &events),
        &["because another publisher of the same user, s-2, registered it", "because its publisher offered it again"],
    );
}

#[test]
fn all_that_is_in_the_way_is_named() {
    let mut facts = facts(Some(Standing { disabled: true, ..row("a", "active") }));
    facts.llm = Some(Standing { disabled: true, ..row("qwen", "inactive") });
    let events = [event(30, "disabled", r#"{"from":"active","to":"active"}"#), event(5, "registered", REGISTERED)];
    let llm = [
        event(25, "disabled", r#"{"from":"inactive","to":"inactive"}"#),
        event(20, "deactivated", r#"{"cause":"node_lost","from":"active","to":"inactive"}"#),
    ];
    let llms = [("qwen".to_owned(), llm.into())];
    let case = Case { llms: &llms, ..case(RowNoun::Agent, &facts, &events) };
    says(
        &case,
        &[
            "cannot be called: it is disabled by hand since 2026-01-31T12:00:30.000Z (event 30) by ann, its Llm 'qwen' is \
             disabled by hand since 2026-01-31T12:00:25.000Z (event 25) by ann, and its Llm 'qwen' is inactive since \
             2026-01-31T12:00:20.000Z, for 40 s.",
            "It was disabled at 2026-01-31T12:00:30.000Z (event 30) by ann.",
            "Its Llm 'qwen' became inactive at 2026-01-31T12:00:20.000Z (event 20), because the server process",
            "`mcpctl enable agent a` ends the pause",
            "`mcpctl enable llm qwen` ends the pause of its Llm.",
            "Its Llm 'qwen' comes back when publisher s-1 opens a stream",
        ],
    );
}

#[test]
fn what_is_asleep_says_what_became_of_the_last_try_to_wake_it() {
    let facts = facts(Some(row("a", "hibernating")));
    let failed =
        r#"{"cause":"wake_failed","from":"hibernating","to":"hibernating","reason":"exit 1","latencyMs":1200}"#;
    let events = [event(30, "wake_failed", failed), event(5, "registered", REGISTERED)];
    says(
        &case(RowNoun::Llm, &facts, &events),
        &[
            "Virtual Llm 'a' can be called: it is asleep since 2026-01-31T12:00:05.000Z (event 5), for 55 s, and the next call tries \
             to wake it; the last try failed at 2026-01-31T12:00:30.000Z (event 30): exit 1.",
            "It could not be woken at 2026-01-31T12:00:30.000Z (event 30), after 1.2 s: exit 1.",
        ],
    );
    // Nobody can wake what nobody is connected for.
    let mut facts = self::facts(Some(row("a", "active")));
    facts.llm = Some(Standing { connected: false, ..row("qwen", "hibernating") });
    let case = case(RowNoun::Agent, &facts, &[]);
    assert!(!is_callable(&case));
    says(&case, &["cannot be called: the publisher of its Llm 'qwen' has not opened its stream yet, though"]);
}

#[test]
fn a_pool_says_how_many_can_be_called_and_what_the_others_lack() {
    let members = vec![row("w1", "inactive"), Standing { disabled: true, ..row("w2", "active") }, row("w3", "active")];
    let mut facts = facts(Some(row("a", "active")));
    (facts.llm, facts.pool) = (None, Some(PoolStanding { name: "gp".to_owned(), members }));
    says(&case(RowNoun::Agent, &facts, &[]), &["can be called: it is active", "1 of 3 members of its pool 'gp' ("]);
    let pool = facts.pool.as_mut().unwrap();
    pool.members.pop();
    let none = "'w1' is inactive since 2026-01-31T12:00:20.000Z, for 40 s; 'w2' is disabled by hand)";
    says(&case(RowNoun::Agent, &facts, &[]), &["cannot be called: no member of its pool 'gp' can", none]);
    facts.row = None;
    says(&case(RowNoun::Llm, &facts, &[]), &["'gp' is a pool of Llms, and cannot be called: 0 of 2 members", none]);
}

#[test]
fn edits_name_what_they_changed() {
    let facts = facts(Some(Standing { kind: "public".to_owned(), publisher: None, ..row("a", "active") }));
    let edited = |llm: &str, prompt: &str| {
        format!(
            r#"{{"cause":"user","from":"active","to":"active","kind":"public",
                "definition":{{"llm":{{"id":"2","name":"{llm}"}},"systemPrompt":"{prompt}"}}}}"#
        )
    };
    let events = [
        event(40, "updated", &edited("big", "y")),
        event(30, "updated", &edited("big", "x")),
        event(5, "registered", REGISTERED),
    ];
    says(
        &case(RowNoun::Agent, &facts, &events),
        &[
            "Public agent 'a' can be called",
            "It was edited at 2026-01-31T12:00:40.000Z (event 40) by ann (systemPrompt from 'x' to 'y').",
            "Before that it became public at 2026-01-31T12:00:30.000Z (event 30) by ann, who took its definition over (llm \
             from 'qwen' to 'big').",
            "A public agent stays until somebody changes, disables or deletes it",
        ],
    );
}

#[test]
fn a_long_life_is_told_from_both_ends_and_counted_in_between() {
    let facts = facts(Some(row("a", "active")));
    let mut events: Vec<_> = (0..10)
        .rev()
        .flat_map(|n| {
            let activated = event(11 + 2 * n, "activated", r#"{"cause":"heartbeat","from":"inactive","to":"active"}"#);
            [activated, event(10 + 2 * n, "deactivated", r#"{"cause":"node_lost","from":"active","to":"inactive"}"#)]
        })
        .collect();
    events.push(event(5, "registered", REGISTERED));
    events.push(event(3, "deleted", r#"{"cause":"user","from":"active","to":null}"#));
    says(
        &case(RowNoun::Agent, &facts, &events),
        &[
            "It became active at 2026-01-31T12:00:29.000Z (event 29)",
            "Before that it had 16 events since 2026-01-31T12:00:10.000Z, and was inactive 8 times.",
            "In the beginning it was registered at 2026-01-31T12:00:05.000Z (event 5) by ann.",
            "An earlier one of this name was deleted at 2026-01-31T12:00:03.000Z (event 3), by ann.",
        ],
    );
}

#[test]
fn one_that_is_gone_says_what_a_new_register_would_do() {
    let mut facts = facts(None);
    facts.llm = None;
    let retention = format!(
        r#"{{"cause":"retention","from":"inactive","to":null,"inactiveSince":"{}","cutoff":"{}","sweepId":"s"}}"#,
        at(20),
        at(24)
    );
    let events = [event(50, "deleted", &retention), event(5, "registered", REGISTERED)];
    says(
        &case(RowNoun::Agent, &facts, &events),
        &[
            "Agent 'a' is not there any more. It was deleted at 2026-01-31T12:00:50.000Z (event 50), because it had been \
             inactive for 30 s, since 2026-01-31T12:00:20.000Z, and is kept for 26 s. Before that it was registered",
            "If a publisher of the same user registers the name within 90 days of its deletion, it comes back with its id and its \
             threads.",
        ],
    );
    let with_llm = [event(50, "deleted", r#"{"cause":"llm_deleted"}"#), event(5, "registered", REGISTERED)];
    says(
        &case(RowNoun::Agent, &facts, &with_llm),
        &[
            "together with its Llm 'qwen', by ann",
            "Whoever registers or creates the name begins anew; a publisher that still has it",
        ],
    );
}

#[test]
fn what_happened_around_it_is_told() {
    let mut facts = facts(Some(Standing { connected: false, ..row("a", "active") }));
    facts.expiry_suspended_until = Some(at(100));
    let events = [event(5, "registered", REGISTERED)];
    let of_registry = |sequence: u32, what: &str, reason: Option<&str>| RegistryEvent {
        sequence: sequence.into(),
        time: at(sequence),
        what: what.to_owned(),
        reason: reason.map(str::to_owned),
    };
    facts.registry = vec![
        of_registry(40, "expiry_suspended", Some("mass_silence")),
        of_registry(30, "writer_elected", None),
        of_registry(1, "writer_elected", None),
    ];
    says(
        &case(RowNoun::Agent, &facts, &events),
        &[
            "cannot be called: its publisher has not opened its stream yet, though it counts as active still",
            "Since then a server was started or took over at 2026-01-31T12:00:30.000Z (event 30).",
            "Nobody is given up for silence until 2026-01-31T12:01:40.000Z (in 40 s): that was suspended at \
             2026-01-31T12:00:40.000Z (event 40), because most publishers fell silent at once",
            "The agent becomes inactive when nothing is heard of it until",
        ],
    );
    facts.row = Some(row("a", "active"));
    facts.time = at(120);
    let streams = [60, 59, 6].map(|sequence| event(sequence, "connected", "{}"));
    let streams = [("s-1".to_owned(), streams.into())];
    let case = Case { publishers: &streams, ..self::case(RowNoun::Agent, &facts, &events) };
    says(
        &case,
        &[
            "yet its publisher is silent for 1 min 10 s and may hang",
            "Since then 2 new streams of its publisher took the place",
        ],
    );
}

#[test]
fn the_past_is_told_as_of_then_without_what_is_to_come() {
    let mut facts = facts(Some(row("a", "inactive")));
    facts.past = true;
    let said = paragraph(&case(RowNoun::Agent, &facts, &[]));
    assert!(
        said.starts_with("As the log has it at 2026-01-31T12:01:00.000Z (event 99): Virtual agent 'a' cannot"),
        "{said}"
    );
    assert!(!said.contains("comes back") && !said.contains("deletes it"), "{said}");
}
