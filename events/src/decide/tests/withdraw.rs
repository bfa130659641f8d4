//! A declaration is all that its session publishes.

use super::{
    ask::{bob, expire, hours, register},
    given::Given,
};
use crate::event::row::Status;

#[test]
fn what_is_no_longer_named_becomes_inactive_and_is_released() {
    Given::new()
        .given(register("s").llm("one").asleep("two").agent("a", "one").agent("b", "one"))
        .when(register("s").llm("one").agent("a", "one"))
        .then(&[
            "agent/b deactivated (withdrawn) active→inactive",
            "llm/two deactivated (withdrawn) hibernating→inactive",
        ])
        .once_is_enough()
        .and(|it| {
            assert_eq!((&it.llm("two").session, it.llm("two").inactive_since), (&None, Some(it.now)));
            assert_eq!(it.session("s").rows(), 2);
        });
}

#[test]
fn a_declaration_without_agents_names_none() {
    Given::new()
        .given(register("s").llm("one").agent("a", "one").agent("b", "one"))
        .when(register("s").llm("one"))
        .then(&["agent/a deactivated (withdrawn) active→inactive", "agent/b deactivated (withdrawn) active→inactive"])
        .once_is_enough();
}

#[test]
fn what_was_inactive_already_is_released_too_and_stays_inactive_as_long() {
    let before = Given::new().given(register("s").llm("one").llm("two")).given(expire("s"));
    let since = before.llm("two").inactive_since;
    before
        .later(hours(1))
        .when(register("s").llm("one"))
        .then(&["llm/one activated (registered) inactive→active", "llm/two deactivated (withdrawn) inactive→inactive"])
        .once_is_enough()
        .and(|it| assert_eq!((&it.llm("two").session, it.llm("two").inactive_since), (&None, since)));
}

#[test]
fn a_released_row_is_its_users_to_adopt() {
    let before = Given::new().given(register("s").llm("one").llm("two")).given(register("s").llm("one"));
    let id = before.llm("two").id;
    before
        .when(register("t").by(bob()).llm("two"))
        .refused("Virtual Llm 'two' belongs to another user; publish under another name")
        .when(register("t").llm("two"))
        .then(&["session/t registered", "llm/two activated (adopted) inactive→active"])
        .and(|it| assert_eq!(it.llm("two").id, id))
        .when(register("s").llm("one"))
        .then_nothing()
        .and(|it| assert_eq!(it.llm("two").status, Status::Active, "released once, not the old session's any more"));
}

#[test]
fn the_session_that_released_a_row_takes_it_back() {
    Given::new()
        .given(register("s").llm("one").llm("two"))
        .given(register("s").llm("one"))
        .when(register("s").llm("one").llm("two"))
        .then(&["llm/two activated (adopted) inactive→active"])
        .once_is_enough();
}
