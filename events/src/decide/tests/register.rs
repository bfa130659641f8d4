//! A new declaration, the same one again, and what a changed one does.

use super::{
    ask::{
        ann, bob, connect, create_llm, deactivate, disconnect, hours, json, labels, name, public_llm, register, switch,
    },
    given::Given,
};
use crate::{
    command::Command,
    definition::Pin,
    event::row::{Kind, Status},
};

#[test]
fn new_names_appear() {
    Given::new()
        .when(register("s").llm("qwen").asleep("big").agent("coder", "qwen"))
        .then(&[
            "session/s registered",
            "llm/qwen registered (registered) →active",
            "llm/big registered (registered) →hibernating",
            "agent/coder registered (registered) →active",
        ])
        .once_is_enough()
        .and(|it| {
            let (llm, agent) = (it.llm("qwen"), it.agent("coder"));
            assert_eq!((llm.kind, llm.version, llm.owner), (Kind::Virtual, 1, ann().id));
            assert_eq!(agent.definition.llm, Pin { id: Some(llm.id), name: name("qwen") });
            assert_eq!((llm.created_at, llm.last_heartbeat_at), (it.now, Some(it.now)));
            assert_eq!((it.session("s").epoch, it.session("s").rows()), (0, 3));
        });
}

#[test]
fn the_same_again_writes_nothing_also_much_later() {
    let declaration = || register("s").llm("qwen").agent("coder", "qwen");
    Given::new().given(declaration()).later(hours(3)).when(declaration()).then_nothing();
}

#[test]
fn a_changed_definition_counts_a_version() {
    Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .later(hours(1))
        .when(register("s").llm_with("qwen", |it| it.model = "other".to_owned()).agent_with("coder", "qwen", |it| {
            it.system_prompt = Some("Be terse.".to_owned());
        }))
        .then(&["llm/qwen updated (registered) active→active", "agent/coder updated (registered) active→active"])
        .once_is_enough()
        .and(|it| {
            assert_eq!((it.llm("qwen").version, it.agent("coder").version), (2, 2));
            assert_eq!(it.llm("qwen").definition.model, "other");
            assert_eq!(it.llm("qwen").updated_at, it.now);
            assert!(it.llm("qwen").created_at < it.now);
        });
}

#[test]
fn optional_fields_left_out_keep_their_value() {
    Given::new()
        .given(
            register("s")
                .llm_with("qwen", |it| {
                    it.tier = Some("fast".to_owned());
                    it.description = Some("small".to_owned());
                    it.pool_name = Some(name("pool"));
                    it.extra_config = Some(json(r#"{"a":1}"#));
                    it.max_concurrent = Some(4);
                    it.max_wait_seconds = Some(9);
                    it.labels = Some(labels("site", "home"));
                })
                .agent_with("coder", "qwen", |it| {
                    it.description = Some("codes".to_owned());
                    it.system_prompt = Some("Be terse.".to_owned());
                    it.default_params = Some(json(r#"{"temperature":0.20}"#));
                    it.extras = Some(json("{}"));
                    it.labels = Some(labels("team", "a"));
                }),
        )
        .when(register("s").llm("qwen").agent("coder", "qwen"))
        .then_nothing()
        .when(register("s").llm_with("qwen", |it| it.max_concurrent = Some(5)).agent("coder", "qwen"))
        .then(&["llm/qwen updated (registered) active→active"])
        .and(|it| {
            let llm = &it.llm("qwen").definition;
            assert_eq!(
                (llm.max_concurrent, llm.max_wait_seconds, llm.tier.as_deref()),
                (Some(5), Some(9), Some("fast"))
            );
            assert_eq!(llm.labels, labels("site", "home"));
        });
}

#[test]
fn an_empty_value_is_no_value_left_out() {
    Given::new()
        .given(register("s").llm_with("qwen", |it| it.labels = Some(labels("site", "home"))))
        .when(register("s").llm_with("qwen", |it| it.labels = Some(std::collections::BTreeMap::new())))
        .then(&["llm/qwen updated (registered) active→active"])
        .and(|it| assert!(it.llm("qwen").definition.labels.is_empty()));
}

#[test]
fn the_publisher_says_that_a_model_went_to_sleep_and_that_it_is_up() {
    Given::new()
        .given(register("s").llm("qwen"))
        .when(register("s").asleep("qwen"))
        .then(&["llm/qwen hibernated (slept) active→hibernating"])
        .once_is_enough()
        .when(register("s").llm("qwen"))
        .then(&["llm/qwen activated (registered) hibernating→active"])
        .once_is_enough()
        .and(|it| assert_eq!(it.llm("qwen").version, 1, "a status is no definition"));
}

#[test]
fn the_same_session_brings_back_what_was_inactive() {
    Given::new()
        .given(register("s").llm("qwen").asleep("big").agent("coder", "qwen"))
        .given(connect("s"))
        .given(disconnect("s", 1))
        .given(deactivate("s", 1))
        .when(register("s").llm("qwen").asleep("big").agent("coder", "qwen"))
        .then(&[
            "llm/qwen activated (registered) inactive→active",
            "llm/big hibernated (registered) inactive→hibernating",
            "agent/coder activated (registered) inactive→active",
        ])
        .once_is_enough()
        .and(|it| assert_eq!(it.llm("qwen").inactive_since, None));
}

#[test]
fn status_and_definition_may_change_at_once() {
    Given::new()
        .given(register("s").llm("qwen"))
        .when(register("s").llm_with("qwen", |it| {
            it.initial_status = Status::Hibernating;
            it.model = "other".to_owned();
        }))
        .then(&[
            "llm/qwen hibernated (slept) active→hibernating",
            "llm/qwen updated (registered) hibernating→hibernating",
        ])
        .once_is_enough();
}

#[test]
fn a_register_does_not_end_a_pause() {
    Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .given(Command::SwitchLlm(switch("qwen", true)))
        .given(Command::SwitchAgent(switch("coder", true)))
        .given(register("s").asleep("qwen").agent_with("coder", "qwen", |it| it.description = Some("d".to_owned())))
        .and(|it| assert!(it.llm("qwen").disabled && it.agent("coder").disabled));
}

#[test]
fn the_requests_own_llms_come_first_then_all_llms_then_pools() {
    let pooled = |llm: &'static str| register("t").by(bob()).llm_with(llm, |it| it.pool_name = Some(name("shared")));
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(pooled("member"))
        .given(register("s").llm("own").agent("a", "own").agent("b", "gpt").agent("c", "shared"))
        .and(|it| {
            assert_eq!(it.agent("a").definition.llm.id, Some(it.llm("own").id));
            assert_eq!(it.agent("b").definition.llm.id, Some(it.llm("gpt").id));
            assert_eq!(it.agent("c").definition.llm, Pin { id: None, name: name("shared") });
        })
        .when(register("s").llm("shared").agent("c", "shared"))
        .and(|it| assert_eq!(it.agent("c").definition.llm.id, Some(it.llm("shared").id), "an Llm wins over a pool"));
}

#[test]
fn a_pool_may_be_made_by_the_same_request() {
    Given::new()
        .when(register("s").llm_with("qwen", |it| it.pool_name = Some(name("pool"))).agent("coder", "pool"))
        .and(|it| assert_eq!(it.agent("coder").definition.llm, Pin { id: None, name: name("pool") }))
        .once_is_enough();
}

#[test]
fn a_pool_that_the_same_request_leaves_is_no_pool() {
    let in_pool = |pool: &'static str| move |it: &mut crate::command::Provider| it.pool_name = Some(name(pool));
    Given::new()
        .given(register("s").llm_with("qwen", in_pool("old")).agent("coder", "old"))
        .when(register("s").llm("qwen").agent("coder", "old"))
        .then_nothing()
        .when(register("s").llm_with("qwen", in_pool("new")).agent("coder", "old"))
        .refused("Llm not found: old")
        .when(register("s").llm_with("qwen", in_pool("new")).agent("coder", "new"))
        .once_is_enough();
}

#[test]
fn an_agent_may_move_to_another_llm() {
    Given::new()
        .given(register("s").llm("one").llm("two").agent("coder", "one"))
        .when(register("s").llm("one").llm("two").agent("coder", "two"))
        .then(&["agent/coder updated (registered) active→active"])
        .and(|it| {
            assert_eq!(it.state.agents_of(it.llm("one").id).count(), 0);
            assert_eq!(it.state.agents_of(it.llm("two").id).count(), 1);
        });
}

#[test]
fn nothing_changes_when_a_reference_is_unknown() {
    Given::new()
        .when(register("s").llm("qwen").agent("coder", "gone"))
        .refused("Llm not found: gone")
        .when(register("s").llm("qwen").agent_with("coder", "qwen", |it| it.project = Some(name("apollo"))))
        .refused("Project not found: apollo")
        .and(|it| assert!(it.state.llms.is_empty() && it.state.sessions.is_empty()));
}

#[test]
fn a_session_is_one_users() {
    Given::new()
        .given(register("s").llm("qwen"))
        .when(register("s").by(bob()).llm("other"))
        .refused("provider session s belongs to another user");
}
