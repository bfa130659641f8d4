//! Projects, personalities and prompts.

use super::{
    ask::{
        bob, create_agent, create_document, create_llm, days, delete_agent, delete_llm, expire, hours, name,
        personality, prompt, public_agent, public_llm, put_agent, put_document, register, retention,
    },
    given::Given,
};
use crate::{
    command::Command,
    definition::{
        AgentDefinition,
        document::{ProjectDefinition, PromptDefinition, PromptOwner},
    },
};

fn described(text: &str) -> ProjectDefinition {
    ProjectDefinition { description: Some(text.to_owned()), ..ProjectDefinition::default() }
}

fn of_agent(agent: &str) -> PromptOwner {
    PromptOwner::Agent(name(agent))
}

fn of_project(project: &str) -> PromptOwner {
    PromptOwner::Project(name(project))
}

fn of_personality(personality: &str) -> PromptOwner {
    PromptOwner::Personality(name(personality))
}

/// Project `apollo`; agent `coder` in it, with personality `grumpy`; a prompt of each: `p`, `a`, `g`.
fn apollo() -> Given {
    Given::new()
        .given(create_document("apollo", ProjectDefinition::default()))
        .given(register("s").llm("qwen").agent_with("coder", "qwen", |it| it.project = Some(name("apollo"))))
        .given(create_document("grumpy", personality("coder")))
        .given(create_document("p", prompt(of_project("apollo"))))
        .given(create_document("a", prompt(of_agent("coder"))))
        .given(create_document("g", prompt(of_personality("grumpy"))))
}

/// The same, after the sweep took the agent.
fn swept() -> Given {
    let it = apollo().given(expire("s")).later(hours(5));
    let cutoff = it.now.minus(hours(4));
    it.given(Command::DeleteExpiredAgents(retention(&["coder"], cutoff)))
        .given(Command::DeleteExpiredLlm(retention(&["qwen"], cutoff)))
}

#[test]
fn it_is_made_replaced_and_deleted_by_hand() {
    Given::new()
        .when(create_document("apollo", described("old")))
        .then(&["project/apollo created"])
        .when(create_document("apollo", described("new")))
        .refused("Project 'apollo' already exists")
        .when(put_document("apollo", None, described("old")))
        .then_nothing()
        .later(hours(1))
        .when(put_document("apollo", Some(1), described("new")))
        .then(&["project/apollo updated"])
        .when(put_document("apollo", Some(1), described("newer")))
        .refused("Project 'apollo' is at version 2, not 1; read it again and repeat the change")
        .and(|it| {
            let project = it.state.projects.get("apollo").unwrap();
            assert_eq!((project.version, project.owner, project.updated_at), (2, bob().id, it.now));
            assert_eq!(*project.definition, described("new"));
            assert!(project.created_at < project.updated_at);
        })
        .when(Command::DeleteProject(name("apollo")))
        .then(&["project/apollo deleted"])
        .when(Command::DeleteProject(name("apollo")))
        .refused("Project not found: apollo")
        .when(put_document("apollo", None, described("new")))
        .refused("Project not found: apollo");
}

#[test]
fn what_it_belongs_to_must_be_there() {
    Given::new()
        .when(create_document("grumpy", personality("coder")))
        .refused("Agent not found: coder")
        .when(create_document("p", prompt(of_agent("coder"))))
        .refused("Agent not found: coder")
        .when(create_document("p", prompt(of_project("apollo"))))
        .refused("Project not found: apollo")
        .when(create_document("p", prompt(of_personality("grumpy"))))
        .refused("Personality not found: grumpy")
        .when(register("s").llm("qwen").agent_with("coder", "qwen", |it| it.project = Some(name("apollo"))))
        .refused("Project not found: apollo");
}

#[test]
fn a_project_takes_its_prompts_along_and_is_cleared_on_its_agents() {
    let public = AgentDefinition { project: Some(name("apollo")), ..public_agent("qwen") };
    apollo()
        .given(create_agent("helper", public))
        .given(create_agent("loner", public_agent("qwen")))
        .when(Command::DeleteProject(name("apollo")))
        .then(&[
            "prompt/p deleted",
            "agent/coder updated (user) active→active",
            "agent/helper updated (user) active→active",
            "project/apollo deleted",
        ])
        .and(|it| {
            assert_eq!((it.agent("coder").version, &it.agent("coder").definition.project), (2, &None));
            assert_eq!((it.agent("helper").version, it.agent("loner").version), (2, 1));
            assert_eq!(it.state.prompts.len(), 2, "the others stay");
        });
}

#[test]
fn a_personality_takes_its_prompts_along_and_is_no_default_any_more() {
    let with_default = AgentDefinition { default_personality: Some(name("calm")), ..public_agent("qwen") };
    apollo()
        // The agent comes first, its personality after it.
        .given(create_agent("helper", with_default))
        .given(create_document("calm", personality("helper")))
        .given(create_document("c", prompt(of_personality("calm"))))
        .when(Command::DeletePersonality(name("calm")))
        .then(&["prompt/c deleted", "agent/helper updated (user) active→active", "personality/calm deleted"])
        .and(|it| assert_eq!(it.agent("helper").definition.default_personality, None))
        .when(Command::DeletePersonality(name("grumpy")))
        .then(&["prompt/g deleted", "personality/grumpy deleted"]);
}

#[test]
fn a_default_personality_is_the_agents_own() {
    let with =
        |personality: &str| AgentDefinition { default_personality: Some(name(personality)), ..public_agent("qwen") };
    apollo()
        .when(create_agent("helper", with("grumpy")))
        .refused("Personality 'grumpy' belongs to agent 'coder'")
        .given(create_agent("helper", public_agent("qwen")))
        .given(create_document("calm", personality("helper")))
        .when(put_agent("helper", None, with("grumpy")))
        .refused("Personality 'grumpy' belongs to agent 'coder'")
        .when(put_agent("helper", None, with("calm")))
        .then(&["agent/helper updated (user) active→active"]);
}

#[test]
fn a_personality_that_moves_is_no_default_where_it_was_and_nothing_else_is_in_the_way_of_its_agent() {
    let with = |description: &str| AgentDefinition {
        default_personality: Some(name("calm")),
        description: Some(description.to_owned()),
        ..public_agent("qwen")
    };
    apollo()
        .given(create_agent("helper", with("old")))
        .given(create_document("calm", personality("helper")))
        .when(put_document("calm", None, personality("coder")))
        .then(&["agent/helper updated (user) active→active", "personality/calm updated"])
        .and(|it| assert_eq!(it.agent("helper").definition.default_personality, None));
    // The name was free, and is somebody else's now.
    apollo()
        .given(create_agent("helper", with("old")))
        .given(create_document("calm", personality("coder")))
        .when(put_agent("helper", None, with("old")))
        .then_nothing()
        .when(put_agent("helper", None, with("new")))
        .then(&["agent/helper updated (user) active→active"]);
}

#[test]
fn an_agent_takes_its_prompts_and_personalities_along() {
    let all = ["prompt/a deleted", "prompt/g deleted", "personality/grumpy deleted"];
    apollo().when(delete_agent("coder")).then(&[&all[..], &["agent/coder deleted (user) active→"]].concat());
    apollo()
        .when(delete_llm("qwen"))
        .then(&[&all[..], &["agent/coder deleted (llm_deleted) active→", "llm/qwen deleted (user) active→"]].concat());
}

#[test]
fn the_sweep_keeps_them_for_whom_the_agent_comes_back_to() {
    swept()
        .and(|it| assert_eq!((it.state.prompts.len(), it.state.personalities.len()), (3, 1)))
        .later(days(80))
        .when(register("s").llm("qwen").agent("coder", "qwen"))
        .then(&[
            "session/s registered",
            "llm/qwen restored (restored) →active",
            "agent/coder restored (restored) →active",
        ])
        .and(|it| assert_eq!(it.state.prompts_of(&of_agent("coder")).count(), 1));
}

#[test]
fn nobody_else_inherits_them() {
    let gone = ["prompt/a deleted", "prompt/g deleted", "personality/grumpy deleted"];
    let registered = ["session/t registered", "llm/qwen registered (registered) →active"];
    swept()
        .when(register("t").by(bob()).llm("qwen").agent("coder", "qwen"))
        .then(&[&registered[..], &gone[..], &["agent/coder registered (registered) →active"]].concat());
    swept()
        .given(create_llm("gpt", public_llm()))
        .when(create_agent("coder", public_agent("gpt")))
        .then(&[&gone[..], &["agent/coder created (user) →active"]].concat());
    swept()
        .later(days(91))
        .when(register("t").llm("qwen").agent("coder", "qwen"))
        .then(&[&registered[..], &gone[..], &["agent/coder registered (registered) →active"]].concat());
}

#[test]
fn a_prompt_moves_from_one_owner_to_another() {
    let moved = PromptDefinition { priority: 7, ..prompt(of_personality("grumpy")) };
    apollo()
        .when(put_document("a", None, moved))
        .then(&["prompt/a updated"])
        .and(|it| {
            assert_eq!(it.state.prompts_of(&of_agent("coder")).count(), 0);
            assert_eq!(it.state.prompts_of(&of_personality("grumpy")).count(), 2);
        })
        .when(put_document("a", None, prompt(of_project("zeus"))))
        .refused("Project not found: zeus");
}
