//! Expiry with its evidence, and retention.

use super::{
    ask::{
        SWEEP, create_agent, expire, hours, name, public_agent, public_llm, put_llm, register, retention, start,
        suspend,
    },
    given::Given,
};
use crate::{
    command::Command,
    decide::{Retained, SweepPlan, plan_retention, retained},
    event::{Body, row::RowEvent},
};
use std::time::Duration;

/// `qwen` and `coder` of session `s`, inactive for five hours.
fn stale() -> Given {
    Given::new().given(register("s").llm("qwen").agent("coder", "qwen")).given(expire("s")).later(hours(5))
}

fn agents(names: &[&str], it: &Given) -> Command {
    Command::DeleteExpiredAgents(retention(names, it.now.minus(hours(4))))
}

fn llm(name: &str, it: &Given) -> Command {
    Command::DeleteExpiredLlm(retention(&[name], it.now.minus(hours(4))))
}

#[test]
fn what_is_silent_becomes_inactive_asleep_or_not() {
    Given::new()
        .given(register("s").llm("up").asleep("down").agent("coder", "up"))
        .given(register("t").llm("other"))
        .when(expire("s"))
        .then(&[
            "agent/coder deactivated (heartbeat_stale) active→inactive",
            "llm/down deactivated (heartbeat_stale) hibernating→inactive",
            "llm/up deactivated (heartbeat_stale) active→inactive",
        ])
        .once_is_enough()
        .and(|it| assert!(it.llm("other").is_live()))
        .when(expire("none"))
        .then_nothing();
}

#[test]
fn expiry_carries_its_evidence() {
    Given::new().given(register("s").llm("qwen")).later(hours(1)).when(expire("s")).and(|it| {
        let [crate::event::Event { body: Body::Llm(RowEvent::Deactivated(data)), .. }] = it.events() else {
            panic!("{:?}", it.events())
        };
        assert_eq!((data.last_heartbeat_at, data.sweep_id), (Some(start()), Some(SWEEP)));
        assert_eq!(data.cutoff, Some(start().plus(Duration::from_secs(1))));
        assert_eq!((it.llm("qwen").inactive_since, it.llm("qwen").last_heartbeat_at), (Some(it.now), Some(start())));
    });
}

#[test]
fn agents_go_first_and_then_their_llm() {
    let it = stale();
    let cutoff = it.now.minus(hours(4));
    let expected = SweepPlan { agents: vec![name("coder")], llms: vec![name("qwen")] };
    assert_eq!(plan_retention(&it.state, cutoff), expected);
    let (first, second) = (agents(&["coder"], &it), llm("qwen", &it));
    it.when(first)
        .then(&["agent/coder deleted (retention) inactive→"])
        .once_is_enough()
        .when(second)
        .then(&["llm/qwen deleted (retention) inactive→"])
        .once_is_enough()
        .and(|it| {
            assert!(it.state.sessions.is_empty());
            assert_eq!(plan_retention(&it.state, cutoff), SweepPlan::default());
        });
}

#[test]
fn retention_carries_its_evidence() {
    let it = stale();
    let command = llm("qwen", &it);
    it.when(command).and(|it| {
        let Body::Llm(RowEvent::Deleted(data)) = &it.events().last().unwrap().body else { panic!() };
        assert_eq!((data.inactive_since, data.cutoff), (Some(start()), Some(it.now.minus(hours(4)))));
        assert_eq!((data.last_heartbeat_at, data.sweep_id), (Some(start()), Some(SWEEP)));
    });
}

#[test]
fn an_llm_takes_its_inactive_agents_along_in_one_record() {
    // The agent went two hours after its Llm, so it is not overdue itself.
    let it = Given::new()
        .given(register("s").llm("own").llm("qwen").agent("coder", "qwen"))
        .given(register("s").llm("own").agent("coder", "qwen"))
        .later(hours(2))
        .given(expire("s"))
        .later(hours(3));
    let (first, second) = (agents(&["coder"], &it), llm("qwen", &it));
    it.when(first)
        .then_nothing()
        .when(second)
        .then(&["agent/coder deleted (llm_deleted) inactive→", "llm/qwen deleted (retention) inactive→"])
        .and(|it| assert!(it.state.agents.tombstone("coder").is_some(), "the sweep took it, it may come back"));
}

#[test]
fn an_llm_stays_for_a_public_agent() {
    let it = stale().given(create_agent("helper", public_agent("qwen")));
    let (first, second, cutoff) = (agents(&["coder"], &it), llm("qwen", &it), it.now.minus(hours(4)));
    it.given(first).when(second).then_nothing().and(|it| {
        let reason = "public agent 'helper' is pinned to it".to_owned();
        assert_eq!(retained(&it.state, cutoff), [Retained { name: name("qwen"), reason }]);
    });
}

#[test]
fn an_llm_stays_for_an_active_agent_of_another_session() {
    let it = stale().given(register("t").llm("mine").agent("user", "qwen"));
    let (command, cutoff) = (llm("qwen", &it), it.now.minus(hours(4)));
    it.when(command).then_nothing().and(|it| {
        let reason = "active agent 'user' is pinned to it".to_owned();
        assert_eq!(retained(&it.state, cutoff), [Retained { name: name("qwen"), reason }]);
    });
}

#[test]
fn what_came_back_or_is_not_overdue_yet_stays() {
    let it = stale();
    let (first, second) = (agents(&["coder", "gone"], &it), llm("qwen", &it));
    let early = Command::DeleteExpiredLlm(retention(&["qwen"], start().minus(Duration::from_millis(1))));
    it.when(early)
        .then_nothing()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .when(first)
        .then_nothing()
        .when(second)
        .then_nothing()
        .when(Command::DeleteExpiredLlm(retention(&["gone"], start())))
        .then_nothing();
}

#[test]
fn a_public_row_is_never_swept() {
    let it =
        Given::new().given(register("s").llm("qwen")).given(expire("s")).given(put_llm("qwen", None, public_llm()));
    let it = it.later(hours(50));
    let (command, now) = (llm("qwen", &it), it.now);
    it.when(command).then_nothing().and(|it| assert_eq!(plan_retention(&it.state, now), SweepPlan::default()));
}

#[test]
fn expiry_is_suspended_once_and_longer_and_resumed_once() {
    let until = start().plus(Duration::from_secs(90));
    Given::new()
        .when(Command::ResumeExpiry { sweep_id: SWEEP })
        .then_nothing()
        .when(suspend(until))
        .then(&["registry/00000000-0000-0000-0000-000000000010 expiry_suspended"])
        .once_is_enough()
        .and(|it| assert_eq!(it.state.expiry_suspended_until, Some(until)))
        .when(suspend(until.plus(Duration::from_mins(1))))
        .then(&["registry/00000000-0000-0000-0000-000000000010 expiry_suspended"])
        .and(|it| assert_eq!(it.state.expiry_suspended_until, Some(until.plus(Duration::from_mins(1)))))
        .when(Command::ResumeExpiry { sweep_id: SWEEP })
        .then(&["registry/00000000-0000-0000-0000-000000000010 expiry_resumed"])
        .once_is_enough()
        .and(|it| assert_eq!(it.state.expiry_suspended_until, None));
}
