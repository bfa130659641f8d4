//! What a deletion by hand takes along, and what forbids it.

use super::{
    ask::{bob, create_agent, create_llm, delete_agent, delete_llm, name, public_agent, public_llm, register},
    given::Given,
};

#[test]
fn an_agent_goes_alone() {
    Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .when(delete_agent("coder"))
        .then(&["agent/coder deleted (user) active→"])
        .when(delete_agent("coder"))
        .refused("Agent not found: coder")
        .when(delete_llm("none"))
        .refused("Llm not found: none");
}

#[test]
fn an_llm_takes_its_virtual_agents_along_of_any_session() {
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(register("s").llm("own").agent("a", "gpt").agent("mine", "own"))
        .given(register("t").by(bob()).llm("other").agent("b", "gpt"))
        .when(delete_llm("gpt"))
        .then(&[
            "agent/a deleted (llm_deleted) active→",
            "agent/b deleted (llm_deleted) active→",
            "llm/gpt deleted (user) active→",
        ])
        .and(|it| {
            assert_eq!(it.state.agents.len(), 1);
            assert!(it.state.agents.tombstone("a").is_none(), "what a person deleted does not come back");
        });
}

#[test]
fn public_agents_forbid_it_and_are_all_named() {
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(create_agent("one", public_agent("gpt")))
        .given(create_agent("two", public_agent("gpt")))
        .given(register("s").llm("own").agent("virtual", "gpt"))
        .when(delete_llm("gpt"))
        .refused("Llm 'gpt' is used by public agents: one, two; pin them to another Llm or delete them first")
        .given(delete_agent("one"))
        .given(delete_agent("two"))
        .when(delete_llm("gpt"))
        .then(&["agent/virtual deleted (llm_deleted) active→", "llm/gpt deleted (user) active→"]);
}

#[test]
fn an_agent_pinned_to_a_pool_outlives_the_pools_llms() {
    Given::new()
        .given(register("s").llm_with("qwen", |it| it.pool_name = Some(name("pool"))).agent("coder", "pool"))
        .when(delete_llm("qwen"))
        .then(&["llm/qwen deleted (user) active→"])
        .and(|it| assert!(it.agent("coder").is_live()));
}
