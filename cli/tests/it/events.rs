//! `events`: the whole of a long log, or its end.

use super::program::{Run, run, to};
use super::server::{Reply, Server};
use serde_json::Value;

/// How long the log is: more than two pages.
const LOG: u64 = 2500;
/// Every so many events one is about `agent/rare`.
const RARE: u64 = 700;

fn subject(sequence: u64) -> &'static str {
    if sequence.is_multiple_of(RARE) { "agent/rare" } else { "agent/busy" }
}

fn log() -> Server {
    Server::start(|path| {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let asked = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let number = |key, otherwise| asked(key).map_or(otherwise, |text: &str| text.parse().unwrap());
        let about = asked("subject").map(|text| text.replace("%2F", "/"));
        let fits = (number("after", 0) + 1..=number("until", LOG).min(LOG))
            .filter(|&n| about.as_deref().is_none_or(|about| about == subject(n)))
            .take(usize::try_from(number("limit", 1000)).unwrap());
        let event = |n| format!(r#"{{"sequence":"{n}","type":"mcpctl.agent.updated.v1","subject":"{}"}}"#, subject(n));
        Reply::json(LOG, format!("[{}]", fits.map(event).collect::<Vec<_>>().join(",")))
    })
}

fn events(words: &[&str]) -> Run {
    let run = run(to(&log(), words));
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    run
}

fn sequences(words: &[&str]) -> Vec<u64> {
    let words: Vec<_> = words.iter().copied().chain(["-o", "name"]).collect();
    events(&words).out.lines().map(|line| line.strip_prefix("event/").unwrap().parse().unwrap()).collect()
}

#[test]
fn a_plain_list_goes_on_to_the_end_of_the_log() {
    assert!(sequences(&["events"]).into_iter().eq(1..=LOG));
    assert!(sequences(&["get", "events", "--after", "1200"]).into_iter().eq(1201..=LOG));
    assert_eq!(events(&["events"]).out.matches("SEQUENCE").count(), 1);
    let list: Vec<Value> = serde_json::from_str(&events(&["events", "-o", "json"]).out).unwrap();
    assert_eq!((list.len() as u64, list[2499]["sequence"].as_str()), (LOG, Some("2500")));
    let none = run(to(&log(), &["events", "--subject", "agent/none", "-o", "json"]));
    assert_eq!((none.code, &*none.out, &*none.err), (0, "[]\n", "no event matches\n"));
}

#[test]
fn a_limit_means_the_newest_unless_it_is_said_where_to_begin() {
    assert_eq!(sequences(&["events", "--limit", "3"]), [2498, 2499, 2500]);
    assert!(sequences(&["events", "--limit", "1500"]).into_iter().eq(1001..=LOG));
    assert_eq!(sequences(&["events", "--limit", "9999"]).len() as u64, LOG);
    assert_eq!(sequences(&["events", "--limit", "2", "--after", "10"]), [11, 12]);
}

#[test]
fn a_limit_means_the_newest_that_fit_too() {
    let rare = ["events", "--subject", "agent/rare", "--limit"];
    let newest = |n| sequences(&[&rare[..], &[n]].concat());
    assert_eq!(newest("1"), [2100]);
    assert_eq!(newest("2"), [1400, 2100]);
    assert_eq!(newest("9"), [700, 1400, 2100]);
    assert_eq!(sequences(&["events", "--subject", "agent/busy", "--limit", "2"]), [2499, 2500]);
}

#[test]
fn no_answer_is_larger_than_a_page() {
    let server = log();
    assert_eq!(run(to(&server, &["events", "--limit", "1500"])).code, 0);
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains("after=1000&limit=1000") && asked[2].contains("after=2000&limit=500"), "{asked:?}");
}

#[test]
fn a_server_that_never_goes_on_is_no_endless_list() {
    let event = r#"{"sequence":"1","type":"t","subject":"s"}"#;
    let server = Server::always(move || Reply::json(1, format!("[{}]", vec![event; 1000].join(","))));
    let run = run(to(&server, &["events", "-o", "name"]));
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: the server's answer makes no sense: event 1 comes after"), "{}", run.err);
}
