//! Names that the sweep deleted and that come back.

use super::{
    ask::{bob, create_llm, days, delete_llm, expire, hours, public_llm, put_llm, register, retention, switch},
    given::Given,
};
use crate::command::Command;

/// `qwen` and `coder` at version 2, deleted by the sweep.
fn swept() -> Given {
    let it = Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .given(register("s").llm_with("qwen", |it| it.model = "n".to_owned()).agent_with("coder", "qwen", |it| {
            it.description = Some("codes".to_owned());
        }))
        .given(expire("s"))
        .later(hours(5));
    let cutoff = it.now.minus(hours(4));
    it.given(Command::DeleteExpiredAgents(retention(&["coder"], cutoff)))
        .given(Command::DeleteExpiredLlm(retention(&["qwen"], cutoff)))
}

#[test]
fn the_same_user_gets_the_old_id_and_the_next_version() {
    let before = swept();
    let (llm, agent) =
        (*before.state.llms.tombstone("qwen").unwrap(), *before.state.agents.tombstone("coder").unwrap());
    before
        .later(days(90))
        .when(register("other").llm("qwen").agent("coder", "qwen"))
        .then(&[
            "session/other registered",
            "llm/qwen restored (restored) →active",
            "agent/coder restored (restored) →active",
        ])
        .once_is_enough()
        .and(|it| {
            assert_eq!((it.llm("qwen").id, it.llm("qwen").version), (llm.id, 3));
            assert_eq!((it.agent("coder").id, it.agent("coder").version), (agent.id, 3));
            assert_eq!(it.llm("qwen").created_at, llm.created_at);
            assert_eq!(it.agent("coder").definition.llm.id, Some(llm.id));
            assert_eq!(it.agent("coder").definition.description, None, "only the id comes back");
        });
}

#[test]
fn after_90_days_it_is_a_new_name() {
    let before = swept();
    let old = before.state.llms.tombstone("qwen").unwrap().id;
    before
        .later(days(90) + std::time::Duration::from_millis(1))
        .when(register("s").llm("qwen"))
        .then(&["session/s registered", "llm/qwen registered (registered) →active"])
        .and(|it| {
            assert_ne!(it.llm("qwen").id, old);
            assert_eq!((it.llm("qwen").version, it.llm("qwen").created_at), (1, it.now));
        });
}

#[test]
fn another_user_never_inherits_it() {
    let before = swept();
    let old = before.state.llms.tombstone("qwen").unwrap().id;
    before
        .when(register("b").by(bob()).llm("qwen"))
        .then(&["session/b registered", "llm/qwen registered (registered) →active"])
        .and(|it| assert_ne!(it.llm("qwen").id, old));
}

#[test]
fn a_public_row_never_inherits_it_and_ends_the_claim() {
    let before = swept();
    let old = before.state.llms.tombstone("qwen").unwrap().id;
    before
        .when(create_llm("qwen", public_llm()))
        .then(&["llm/qwen created (user) →active"])
        .and(|it| assert_ne!(it.llm("qwen").id, old))
        .given(delete_llm("qwen"))
        .when(register("s").llm("qwen"))
        .then(&["session/s registered", "llm/qwen registered (registered) →active"])
        .and(|it| assert_ne!(it.llm("qwen").id, old));
}

#[test]
fn what_a_person_deleted_is_gone_for_good() {
    let before = Given::new().given(register("s").llm("qwen").agent("coder", "qwen"));
    let old = (before.llm("qwen").id, before.agent("coder").id);
    before
        .given(delete_llm("qwen"))
        .when(register("s").llm("qwen").agent("coder", "qwen"))
        .then(&[
            "session/s registered",
            "llm/qwen registered (registered) →active",
            "agent/coder registered (registered) →active",
        ])
        .and(|it| assert!(it.llm("qwen").id != old.0 && it.agent("coder").id != old.1));
}

#[test]
fn a_pause_outlives_the_sweep() {
    let it = Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .given(Command::SwitchAgent(switch("coder", true)))
        .given(expire("s"))
        .later(hours(5));
    let cutoff = it.now;
    it.given(Command::DeleteExpiredAgents(retention(&["coder"], cutoff)))
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .and(|it| assert!(it.agent("coder").disabled, "a register does not undo it"));
}

#[test]
fn old_tombstones_are_forgotten() {
    let mut it = Given::new();
    for number in 0..64 {
        let llm = format!("llm-{number}");
        it = it.given(register("s").llm(&llm)).given(expire("s")).later(days(10));
        let cutoff = it.now;
        it = it.given(Command::DeleteExpiredLlm(retention(&[&llm], cutoff)));
    }
    assert!(it.state.llms.tombstones().count() < 32);
    it.when(put_llm("llm-63", None, public_llm())).refused("Llm not found: llm-63");
}
