//! What people create, edit and pause.

use super::{
    ask::{
        ann, bob, connect, create_agent, create_llm, deactivate, disconnect, expire, hours, name, public_agent,
        public_llm, put_agent, put_llm, register, switch,
    },
    given::Given,
};
use crate::{
    command::{Command, DeleteRow, Hand, Put, Reach, User},
    definition::{LlmDefinition, Pin},
    event::row::{Kind, Status},
};

fn described(text: &str) -> LlmDefinition {
    LlmDefinition { description: Some(text.to_owned()), ..public_llm() }
}

#[test]
fn a_public_row_is_active_at_once() {
    Given::new()
        .when(create_llm("gpt", public_llm()))
        .then(&["llm/gpt created (user) →active"])
        .when(create_agent("helper", public_agent("gpt")))
        .then(&["agent/helper created (user) →active"])
        .and(|it| {
            let (llm, agent) = (it.llm("gpt"), it.agent("helper"));
            assert_eq!((llm.kind, llm.version, llm.owner, &llm.session), (Kind::Public, 1, bob().id, &None));
            assert_eq!(agent.definition.llm, Pin { id: Some(llm.id), name: name("gpt") });
            assert_eq!(llm.last_heartbeat_at, None);
        });
}

#[test]
fn a_name_is_taken_by_any_row() {
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .given(expire("s"))
        .when(create_llm("gpt", public_llm()))
        .refused("Llm 'gpt' already exists")
        .when(create_llm("qwen", public_llm()))
        .refused("Llm 'qwen' already exists")
        .when(create_agent("coder", public_agent("gpt")))
        .refused("Agent 'coder' already exists")
        .when(create_agent("gpt", public_agent("gpt")))
        .then(&["agent/gpt created (user) →active"]);
}

#[test]
fn references_must_be_there() {
    let mut in_project = public_agent("gpt");
    in_project.project = Some(name("apollo"));
    Given::new()
        .when(create_agent("helper", public_agent("gpt")))
        .refused("Llm not found: gpt")
        .given(create_llm("gpt", LlmDefinition { pool_name: Some(name("pool")), ..public_llm() }))
        .when(create_agent("helper", in_project))
        .refused("Project not found: apollo")
        .when(put_llm("none", None, public_llm()))
        .refused("Llm not found: none")
        .when(put_agent("none", None, public_agent("gpt")))
        .refused("Agent not found: none")
        .when(create_agent("helper", public_agent("pool")))
        .and(|it| assert_eq!(it.agent("helper").definition.llm, Pin { id: None, name: name("pool") }));
}

#[test]
fn the_same_definition_again_is_no_change() {
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(create_agent("helper", public_agent("gpt")))
        .when(put_llm("gpt", None, public_llm()))
        .then_nothing()
        .when(put_agent("helper", Some(1), public_agent("gpt")))
        .then_nothing();
}

#[test]
fn a_put_replaces_the_definition_and_counts() {
    Given::new()
        .given(create_llm("gpt", described("old")))
        .later(hours(1))
        .when(put_llm("gpt", None, public_llm()))
        .then(&["llm/gpt updated (user) active→active"])
        .once_is_enough()
        .and(|it| {
            assert_eq!((it.llm("gpt").version, it.llm("gpt").updated_at), (2, it.now));
            assert_eq!(it.llm("gpt").definition.description, None, "a field left out returns to its default");
        });
}

#[test]
fn a_lost_race_is_refused() {
    let lost = "Llm 'gpt' is at version 2, not 1; read it again and repeat the change";
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(put_llm("gpt", Some(1), described("first")))
        .when(put_llm("gpt", Some(1), described("second")))
        .refused(lost)
        .when(put_llm("gpt", Some(1), described("first")))
        .refused(lost)
        .when(put_llm("gpt", Some(2), described("second")))
        .then(&["llm/gpt updated (user) active→active"]);
}

#[test]
fn a_live_virtual_row_is_its_publishers() {
    let words = "and defined by its publisher; change it there, or stop it first";
    Given::new()
        .given(register("s").llm("up").asleep("down").agent("coder", "up"))
        .when(put_llm("up", None, public_llm()))
        .refused(&format!("Virtual Llm 'up' is active {words}"))
        .when(put_llm("down", None, public_llm()))
        .refused(&format!("Virtual Llm 'down' is hibernating {words}"))
        .when(put_agent("coder", None, public_agent("down")))
        .refused(&format!("Virtual Agent 'coder' is active {words}"))
        .when(put_agent("coder", None, public_agent("up")))
        .then_nothing();
}

#[test]
fn an_inactive_virtual_row_becomes_public() {
    let before = Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .given(connect("s"))
        .given(disconnect("s", 1))
        .given(deactivate("s", 1));
    let id = before.llm("qwen").id;
    before
        .when(put_llm("qwen", None, public_llm()))
        .then(&["llm/qwen updated (user) inactive→active"])
        .once_is_enough()
        .and(|it| {
            let row = it.llm("qwen");
            assert_eq!((row.id, row.kind, row.status, row.version), (id, Kind::Public, Status::Active, 2));
            assert_eq!((&row.session, row.inactive_since), (&None, None));
            assert_eq!(it.session("s").rows(), 1);
        })
        .when(register("s").llm("qwen"))
        .refused("Cannot publish over public Llm: qwen");
}

#[test]
fn a_session_is_forgotten_with_the_last_row_that_became_public() {
    Given::new()
        .given(register("s").llm("qwen"))
        .given(expire("s"))
        .given(put_llm("qwen", None, public_llm()))
        .and(|it| assert!(it.state.sessions.is_empty()));
}

#[test]
fn a_pause_is_made_and_ended_by_hand() {
    Given::new()
        .given(create_llm("gpt", public_llm()))
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .when(Command::SwitchLlm(switch("gpt", false)))
        .then_nothing()
        .when(Command::SwitchLlm(switch("gpt", true)))
        .then(&["llm/gpt disabled (user) active→active"])
        .once_is_enough()
        .when(Command::SwitchLlm(switch("gpt", false)))
        .then(&["llm/gpt enabled (user) active→active"])
        .once_is_enough()
        .given(expire("s"))
        .when(Command::SwitchAgent(switch("coder", true)))
        .then(&["agent/coder disabled (user) inactive→inactive"])
        .given(register("s").llm("qwen").agent("coder", "qwen"))
        .and(|it| assert!(it.agent("coder").disabled))
        .when(Command::SwitchAgent(switch("none", true)))
        .refused("Agent not found: none");
}

#[test]
fn a_virtual_row_is_its_users_and_an_admins() {
    let by = |user: User, reach| Hand { user: user.id, reach };
    let delete = |agent: &str, by| Command::DeleteAgent(DeleteRow { name: name(agent), by });
    let put = |by| Command::PutLlm(Put { name: name("qwen"), by, if_match: None, definition: public_llm() });
    let refused = "virtual Agent 'coder' belongs to another user: only they, admins, and whom an admin grants it, delete it or make it public";
    Given::new()
        .given(register("s").llm("qwen").agent("coder", "qwen").agent("helper", "qwen"))
        .given(create_agent("open", public_agent("qwen")))
        .when(delete("coder", by(bob(), Reach::Public)))
        .refused(refused)
        .when(delete("coder", by(bob(), Reach::Own)))
        .refused(refused)
        .given(delete("coder", by(ann(), Reach::Own)))
        .given(delete("helper", by(bob(), Reach::All)))
        .when(delete("open", by(bob(), Reach::Own)))
        .refused("Agent 'open' is public: editors and admins delete it")
        .given(delete("open", by(ann(), Reach::Public)))
        .given(expire("s"))
        .when(put(by(bob(), Reach::Public)))
        .refused("virtual Llm 'qwen' belongs to another user: only they, admins, and whom an admin grants it, delete it or make it public")
        .when(put(by(ann(), Reach::Public)))
        .then(&["llm/qwen updated (user) inactive→active"]);
}
