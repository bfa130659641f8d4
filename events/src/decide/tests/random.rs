//! Random commands in any order: nothing panics, and what must hold always does.

use super::{
    ask::{
        SWEEP, ann, bob, close_boots, connect_to, create_agent, create_document, create_llm, deactivate, delete_agent,
        delete_llm, disconnect, expire, hours, issue, name, personality, prompt, public_agent, public_llm, put_agent,
        put_document, put_llm, register, retention, revive, start, suspend, switch,
    },
    given::Given,
};
use crate::{
    command::{Command, Register, User},
    definition::{
        AgentDefinition, LlmDefinition,
        document::{ProjectDefinition, PromptOwner},
    },
    event::row::Status,
    record::MAX_EVENTS_OF_A_MASS_CHANGE,
    state::State,
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Select, select, subsequence},
};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

const SESSIONS: &[&str] = &["s", "t", "u"];
const LLMS: &[&str] = &["one", "two", "three", "four"];
const AGENTS: &[&str] = &["a", "b", "c"];
/// Two of them are Llms' names too.
const POOLS: &[&str] = &["one", "two", "p", "q"];
const TEXTS: &[&str] = &["x", "y"];

fn any_of(words: &'static [&'static str]) -> Select<&'static str> {
    select(words)
}

fn user() -> impl Strategy<Value = User> {
    prop_oneof![4 => Just(ann()), 1 => Just(bob())]
}

fn pin() -> impl Strategy<Value = &'static str> {
    prop_oneof![any_of(LLMS), any_of(POOLS)]
}

fn declaration() -> impl Strategy<Value = Command> {
    let llms = subsequence(LLMS, 0..=LLMS.len());
    let llms = llms.prop_flat_map(|names| {
        let one = (any::<bool>(), option::of(any_of(POOLS)), any_of(TEXTS));
        vec(one, names.len()).prop_map(move |details| names.iter().copied().zip(details).collect::<Vec<_>>())
    });
    let agents = subsequence(AGENTS, 0..=AGENTS.len());
    let agents = agents.prop_flat_map(|names| {
        let one = (pin(), option::of(any_of(TEXTS)), option::of(any_of(TEXTS)));
        vec(one, names.len()).prop_map(move |details| names.iter().copied().zip(details).collect::<Vec<_>>())
    });
    (any_of(SESSIONS), user(), llms, agents).prop_filter_map("at least one row", |(session, user, llms, agents)| {
        let mut it: Register = register(session).by(user);
        for (llm, (asleep, pool, model)) in llms {
            it = it.llm_with(llm, |it| {
                it.initial_status = if asleep { Status::Hibernating } else { Status::Active };
                it.pool_name = pool.map(name);
                it.model = model.to_owned();
            });
        }
        for (agent, (llm, description, project)) in agents {
            it = it.agent_with(agent, llm, |it| {
                it.description = description.map(str::to_owned);
                it.project = project.map(name);
            });
        }
        (it.providers.len() + it.agents.len() > 0).then_some(Command::Register(it))
    })
}

fn of_a_session() -> impl Strategy<Value = Command> {
    let (session, epoch, boot) = (|| any_of(SESSIONS), || 0..5_u64, || (1..4_u128).prop_map(Uuid::from_u128));
    prop_oneof![
        (session(), user(), any_of(TEXTS), boot()).prop_map(|(s, user, node, boot)| connect_to(s, &user, node, boot)),
        (session(), epoch()).prop_map(|(session, epoch)| disconnect(session, epoch)),
        (session(), epoch()).prop_map(|(session, epoch)| deactivate(session, epoch)),
        (session(), user()).prop_map(|(session, user)| revive(session, &user)),
        session().prop_map(expire),
        (option::of(any_of(TEXTS)), boot()).prop_map(|(node, boot)| close_boots(node, boot)),
    ]
}

fn by_the_sweep() -> impl Strategy<Value = Command> {
    let cutoff = || (0..20_000_u64).prop_map(|hours_later| start().plus(hours(hours_later)));
    prop_oneof![
        (subsequence(AGENTS, 1..=2), cutoff())
            .prop_map(|(names, cutoff)| Command::DeleteExpiredAgents(retention(&names, cutoff))),
        (any_of(LLMS), cutoff()).prop_map(|(llm, cutoff)| Command::DeleteExpiredLlm(retention(&[llm], cutoff))),
        cutoff().prop_map(suspend),
        Just(Command::ResumeExpiry { sweep_id: SWEEP }),
    ]
}

fn by_hand() -> impl Strategy<Value = Command> {
    let llm = || {
        (option::of(any_of(POOLS)), any_of(TEXTS)).prop_map(|(pool, model)| LlmDefinition {
            pool_name: pool.map(name),
            model: model.to_owned(),
            ..public_llm()
        })
    };
    let agent = || {
        (pin(), option::of(any_of(TEXTS)), option::of(any_of(POOLS))).prop_map(|(llm, text, personality)| {
            AgentDefinition {
                description: text.map(str::to_owned),
                project: text.filter(|text| *text == "x").map(name),
                default_personality: personality.map(name),
                ..public_agent(llm)
            }
        })
    };
    let if_match = || option::of(1..4_u64);
    prop_oneof![
        (any_of(LLMS), llm()).prop_map(|(name, definition)| create_llm(name, definition)),
        (any_of(AGENTS), agent()).prop_map(|(name, definition)| create_agent(name, definition)),
        (any_of(LLMS), if_match(), llm()).prop_map(|(name, version, definition)| put_llm(name, version, definition)),
        (any_of(AGENTS), if_match(), agent()).prop_map(|(name, version, d)| put_agent(name, version, d)),
        any_of(LLMS).prop_map(delete_llm),
        any_of(AGENTS).prop_map(delete_agent),
        (any_of(LLMS), any::<bool>()).prop_map(|(llm, disabled)| Command::SwitchLlm(switch(llm, disabled))),
        (any_of(AGENTS), any::<bool>()).prop_map(|(agent, disabled)| Command::SwitchAgent(switch(agent, disabled))),
        (any_of(TEXTS), any_of(TEXTS), any_of(TEXTS)).prop_map(|(token, user, secret)| issue(token, user, secret)),
        any_of(TEXTS).prop_map(|token| Command::RevokeToken(name(token))),
    ]
}

fn of_a_document() -> impl Strategy<Value = Command> {
    let owner = || {
        prop_oneof![
            any_of(AGENTS).prop_map(|agent| PromptOwner::Agent(name(agent))),
            any_of(TEXTS).prop_map(|project| PromptOwner::Project(name(project))),
            any_of(POOLS).prop_map(|personality| PromptOwner::Personality(name(personality))),
        ]
    };
    let if_match = || option::of(1..4_u64);
    let described =
        |text: Option<&str>| ProjectDefinition { description: text.map(str::to_owned), ..ProjectDefinition::default() };
    prop_oneof![
        any_of(TEXTS).prop_map(|project| create_document(project, ProjectDefinition::default())),
        (any_of(POOLS), any_of(AGENTS)).prop_map(|(name, agent)| create_document(name, personality(agent))),
        (any_of(LLMS), owner()).prop_map(|(name, owner)| create_document(name, prompt(owner))),
        (any_of(TEXTS), if_match(), option::of(any_of(LLMS))).prop_map(move |(name, version, text)| put_document(
            name,
            version,
            described(text)
        )),
        (any_of(POOLS), if_match(), any_of(AGENTS)).prop_map(|(name, version, agent)| put_document(
            name,
            version,
            personality(agent)
        )),
        (any_of(LLMS), if_match(), owner()).prop_map(|(name, version, owner)| put_document(
            name,
            version,
            prompt(owner)
        )),
        any_of(TEXTS).prop_map(|project| Command::DeleteProject(name(project))),
        any_of(POOLS).prop_map(|personality| Command::DeletePersonality(name(personality))),
        any_of(LLMS).prop_map(|prompt| Command::DeletePrompt(name(prompt))),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![4 => declaration(), 4 => of_a_session(), 2 => by_the_sweep(), 2 => by_hand(), 3 => of_a_document()]
}

/// Seconds to months.
fn pause() -> impl Strategy<Value = Duration> {
    prop_oneof![6 => 0..60_u64, 2 => 0..20_000_u64, 1 => 0..10_000_000_u64].prop_map(Duration::from_secs)
}

/// Versions of all rows that there ever were, by id.
#[derive(Default)]
struct Versions(BTreeMap<Uuid, u64>);

impl Versions {
    fn check(&mut self, state: &State) {
        let llms = state.llms.iter().map(|row| (row.id, row.version));
        for (id, version) in llms.chain(state.agents.iter().map(|row| (row.id, row.version))) {
            let before = self.0.insert(id, version).unwrap_or_default();
            assert!(before <= version, "{id} went back from version {before} to {version}");
        }
        for id in self.0.keys() {
            assert!(
                state.llms.by_id(*id).is_none_or(|row| row.id == *id),
                "the id of a row that is gone leads nowhere"
            );
            assert!(state.agents.by_id(*id).is_none_or(|row| row.id == *id));
        }
    }
}

/// A repeat changes nothing, or is refused; but each stream is a new one.
fn assert_once_is_enough(it: &Given, command: &Command) {
    if matches!(command, Command::Connect(_)) || it.events().len() >= MAX_EVENTS_OF_A_MASS_CHANGE {
        return;
    }
    match it.decide(command) {
        Ok(again) => assert_eq!(again, Vec::new(), "{command:?}"),
        Err(rejection) => assert!(!matches!(command, Command::Register(_)), "{rejection}: {command:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_stays_consistent(commands in vec((pause(), command()), 1..60)) {
        let (mut it, mut versions) = (Given::new(), Versions::default());
        for (pause, command) in commands {
            it = it.later(pause).when(command.clone());
            versions.check(&it.state);
            if it.outcome().is_ok() {
                assert_once_is_enough(&it, &command);
            }
        }
        let text = serde_json::to_string(&it.state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&text).unwrap(), it.state);
    }
}
