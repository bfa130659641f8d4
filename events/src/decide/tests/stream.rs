//! Streams that open and end.

use super::{
    ask::{
        BOOT, NODE, ann, bob, close_boots, connect, connect_to, deactivate, delete_agent, delete_llm, disconnect,
        expire, fresh, register, revive, wake,
    },
    given::Given,
};
use crate::{command::WakeOutcome, event::row::Status};
use uuid::Uuid;

fn published() -> Given {
    Given::new().given(register("s").llm("up").asleep("down").agent("coder", "up"))
}

#[test]
fn each_stream_has_the_next_epoch() {
    published()
        .when(connect("s"))
        .then(&["session/s connected"])
        .and(|it| assert_eq!((it.session("s").epoch, it.session("s").connection.is_some()), (1, true)))
        .when(connect("s"))
        .then(&["session/s connected"])
        .and(|it| assert_eq!(it.session("s").epoch, 2));
}

#[test]
fn a_stream_needs_a_session_of_ones_own() {
    published()
        .when(connect("none"))
        .refused("provider session not found: none; register again")
        .when(connect_to("s", &bob(), NODE, BOOT))
        .refused("provider session s belongs to another user");
}

#[test]
fn the_end_of_an_older_stream_changes_nothing() {
    published()
        .given(connect("s"))
        .given(connect("s"))
        .when(disconnect("s", 1))
        .then_nothing()
        .when(deactivate("s", 1))
        .then_nothing()
        .when(disconnect("s", 2))
        .then(&["session/s disconnected"])
        .once_is_enough()
        .when(deactivate("s", 1))
        .then_nothing()
        .when(disconnect("none", 1))
        .then_nothing();
}

#[test]
fn rows_stay_live_until_the_grace_is_over_and_no_stream_came() {
    published()
        .given(connect("s"))
        .when(deactivate("s", 1))
        .then_nothing()
        .given(disconnect("s", 1))
        .and(|it| assert!(it.llm("up").is_live()))
        .when(deactivate("s", 1))
        .then(&[
            "agent/coder deactivated (disconnected) active→inactive",
            "llm/down deactivated (disconnected) hibernating→inactive",
            "llm/up deactivated (disconnected) active→inactive",
        ])
        .once_is_enough()
        .and(|it| {
            assert_eq!(it.session("s").rows(), 3, "rows stay the session's");
            assert_eq!(it.llm("up").last_heartbeat_at, Some(super::ask::start()));
        });
}

#[test]
fn a_new_stream_within_the_grace_wins() {
    published()
        .given(connect("s"))
        .given(disconnect("s", 1))
        .given(connect("s"))
        .when(deactivate("s", 1))
        .then_nothing();
}

#[test]
fn a_stream_brings_rows_back_to_the_status_they_had() {
    published()
        .given(connect("s"))
        .given(disconnect("s", 1))
        .given(deactivate("s", 1))
        .when(connect("s"))
        .then(&[
            "session/s connected",
            "llm/down hibernated (reconnected) inactive→hibernating",
            "llm/up activated (reconnected) inactive→active",
            "agent/coder activated (reconnected) inactive→active",
        ])
        .and(|it| assert_eq!((it.llm("down").status, it.llm("down").inactive_since), (Status::Hibernating, None)));
}

#[test]
fn a_heartbeat_brings_rows_back_to_the_status_they_had() {
    published()
        .when(revive("s", &ann()))
        .then_nothing()
        .given(expire("s"))
        .when(revive("s", &ann()))
        .then(&[
            "llm/down hibernated (heartbeat) inactive→hibernating",
            "llm/up activated (heartbeat) inactive→active",
            "agent/coder activated (heartbeat) inactive→active",
        ])
        .once_is_enough();
}

#[test]
fn a_heartbeat_needs_a_session_of_ones_own() {
    published()
        .when(revive("none", &ann()))
        .refused("provider session not found: none; register again")
        .when(revive("s", &bob()))
        .refused("provider session s belongs to another user");
}

#[test]
fn a_session_is_forgotten_with_its_last_row() {
    published()
        .given(connect("s"))
        .given(delete_agent("coder"))
        .given(delete_llm("up"))
        .and(|it| assert_eq!(it.session("s").rows(), 1))
        .given(delete_llm("down"))
        .when(revive("s", &ann()))
        .refused("provider session not found: s; register again")
        .when(disconnect("s", 1))
        .then_nothing();
}

#[test]
fn a_boot_closes_what_came_before_it_on_its_node() {
    let (old, new, other) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    Given::new()
        .given(register("a").llm("one"))
        .given(register("b").llm("two"))
        .given(register("c").llm("three"))
        .given(connect_to("a", &ann(), "http://one", old))
        .given(connect_to("b", &ann(), "http://one", new))
        .given(connect_to("c", &ann(), "http://two", other))
        .when(close_boots(Some("http://one"), new))
        .then(&["session/a disconnected"])
        .once_is_enough()
        .and(|it| assert!(it.llm("one").is_live(), "a server's end is no disconnect"))
        .when(close_boots(None, new))
        .then(&["session/c disconnected"])
        .once_is_enough();
}

#[test]
fn a_wake_is_on_record_however_it_went_but_only_of_who_sleeps() {
    let it = published();
    let id = it.llm("down").id;
    let failed = || wake(id, "down", WakeOutcome::Failed("GPU is busy".to_owned()));
    it.when(failed())
        .then(&["llm/down wake_failed (wake_failed) hibernating→hibernating"])
        .when(failed())
        .then(&["llm/down wake_failed (wake_failed) hibernating→hibernating"])
        .when(wake(fresh(), "down", WakeOutcome::Woken))
        .then_nothing()
        .when(wake(id, "down", WakeOutcome::Woken))
        .then(&["llm/down activated (woken) hibernating→active"])
        .once_is_enough()
        .when(failed())
        .then_nothing()
        .given(expire("s"))
        .when(revive("s", &ann()))
        .and(|it| assert_eq!(it.llm("down").awake_status, Status::Active, "it comes back awake"));
}
