//! Names that are somebody's already.

use super::{
    ask::{
        ann, bob, connect, create_agent, create_llm, deactivate, disconnect, expire, public_agent, public_llm, register,
    },
    given::Given,
};
use crate::{event::row::Status, rejection::Rejection};

/// ann's session `old` has published `qwen` and `coder`, and is gone.
fn left() -> Given {
    Given::new()
        .given(register("old").llm("qwen").agent("coder", "qwen"))
        .given(connect("old"))
        .given(disconnect("old", 1))
        .given(deactivate("old", 1))
}

#[test]
fn another_session_of_the_same_user_adopts_what_is_inactive() {
    let before = left();
    let ids = (before.llm("qwen").id, before.agent("coder").id);
    before
        .when(register("new").llm("qwen").agent("coder", "qwen"))
        .then(&[
            "session/new registered",
            "llm/qwen activated (adopted) inactive→active",
            "agent/coder activated (adopted) inactive→active",
        ])
        .once_is_enough()
        .and(|it| {
            assert_eq!((it.llm("qwen").id, it.agent("coder").id), ids, "ids are kept");
            assert_eq!(it.session("new").rows(), 2);
            assert!(!it.state.sessions.contains_key("old"), "a session without rows or stream is forgotten");
        });
}

#[test]
fn what_is_adopted_may_sleep() {
    left()
        .when(register("new").asleep("qwen"))
        .then(&["session/new registered", "llm/qwen hibernated (adopted) inactive→hibernating"])
        .once_is_enough()
        .and(|it| {
            assert_eq!(it.llm("qwen").status, Status::Hibernating);
            assert_eq!(it.session("old").rows(), 1, "the agent was not adopted");
        });
}

#[test]
fn an_adopted_row_may_change_too() {
    left()
        .when(register("new").llm_with("qwen", |it| it.model = "other".to_owned()))
        .then(&[
            "session/new registered",
            "llm/qwen activated (adopted) inactive→active",
            "llm/qwen updated (registered) active→active",
        ])
        .once_is_enough();
}

#[test]
fn the_session_that_lost_its_rows_keeps_its_stream() {
    Given::new()
        .given(register("old").llm("qwen"))
        .given(connect("old"))
        .given(expire("old"))
        .given(register("new").llm("qwen"))
        .and(|it| assert_eq!(it.session("old").rows(), 0))
        .when(disconnect("old", 1))
        .then(&["session/old disconnected"])
        .and(|it| assert!(!it.state.sessions.contains_key("old"), "and is forgotten with it"));
}

#[test]
fn what_is_live_under_another_session_is_refused() {
    let words = "publish it under another name, and give both the same `poolName` if they serve the same model";
    let taken = |what: &str| format!("Virtual {what} is already active under a different session; {words}");
    Given::new()
        .given(register("one").llm("up").asleep("down").agent("coder", "up"))
        .when(register("two").llm("up"))
        .refused(&taken("Llm 'up'"))
        .when(register("two").llm("down"))
        .refused(&taken("Llm 'down'"))
        .when(register("two").llm("new").agent("coder", "new"))
        .refused(&taken("Agent 'coder'"))
        .and(|it| assert!(it.state.llms.get("new").is_none(), "all or nothing"));
}

#[test]
fn a_public_row_is_refused() {
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(create_agent("helper", public_agent("gpt")))
        .when(register("s").by(bob()).llm("gpt"))
        .refused("Cannot publish over public Llm: gpt")
        .when(register("s").by(bob()).llm("qwen").agent("helper", "qwen"))
        .refused("Cannot publish over public Agent: helper");
}

#[test]
fn every_entry_that_is_in_the_way_is_named() {
    let it = Given::new()
        .given(register("one").llm("qwen"))
        .given(create_llm("gpt", public_llm()))
        .when(register("two").llm("new").llm("gpt").llm("qwen").agent("lost", "nowhere").agent("coder", "new"));
    let Err(Rejection::Entries(refused)) = it.decide(&it.asked()) else { panic!("not refused") };
    let said: Vec<_> = refused.iter().map(|entry| (entry.pointer.as_str(), entry.reason.to_string())).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[0], ("/providers/1/name", "Cannot publish over public Llm: gpt".to_owned()));
    assert_eq!(said[1].0, "/providers/2/name");
    assert_eq!(said[2], ("/agents/0/llmName", "Llm not found: nowhere".to_owned()));
}

#[test]
fn another_users_row_is_refused_in_any_status() {
    let words = "belongs to another user; publish under another name";
    left()
        .when(register("s").by(bob()).llm("qwen"))
        .refused(&format!("Virtual Llm 'qwen' {words}"))
        .when(register("s").by(bob()).llm("other").agent("coder", "other"))
        .refused(&format!("Virtual Agent 'coder' {words}"))
        .given(register("old").llm("qwen"))
        .when(register("s").by(bob()).llm("qwen"))
        .refused(&format!("Virtual Llm 'qwen' {words}"))
        .and(|it| assert_eq!(it.llm("qwen").owner, ann().id));
}
