//! What holds of the state after every record.

use crate::{
    definition::{AgentDefinition, LlmDefinition, document::PromptOwner},
    event::row::{Kind, Status},
    name::Name,
    state::{Documents, Row, State, Stored},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn assert_consistent(state: &State) {
    assert_rows::<LlmDefinition>(state);
    assert_rows::<AgentDefinition>(state);
    assert_owned::<LlmDefinition>(state);
    assert_owned::<AgentDefinition>(state);
    let pools = index(state.llms.iter().filter_map(|llm| Some((llm.definition.pool_name.clone()?, &llm.name))));
    assert_eq!(state.pools, pools, "the index of pools is what a scan finds");
    let pins = index(state.agents.iter().filter_map(|agent| Some((agent.definition.llm.id?, &agent.name))));
    assert_eq!(state.pins, pins, "the index of pins is what a scan finds");
    for (id, agents) in &pins {
        assert!(state.llms.by_id(*id).is_some(), "{agents:?} are pinned to an Llm that is gone");
    }
    assert_documents(state);
    for (id, session) in state.sessions.iter() {
        assert!(session.rows() > 0 || session.connection.is_some(), "session {id} would never be heard of again");
        assert!(session.epoch > 0 || session.connection.is_none(), "{id}");
    }
}

fn index<'a, K: Ord>(pairs: impl Iterator<Item = (K, &'a Name)>) -> BTreeMap<K, BTreeSet<Name>> {
    let mut index = BTreeMap::<K, BTreeSet<Name>>::new();
    for (key, name) in pairs {
        index.entry(key).or_default().insert(name.clone());
    }
    index
}

fn assert_rows<D: Stored>(state: &State) {
    for row in D::table(state).iter() {
        let name = &row.name;
        assert_eq!(D::table(state).by_id(row.id).map(|row| &row.name), Some(name));
        assert!(D::table(state).tombstone(name).is_none(), "{name} is there and buried");
        assert_eq!(row.status == Status::Inactive, row.inactive_since.is_some(), "{name}");
        assert_ne!(row.awake_status, Status::Inactive, "{name}");
        assert!(row.version > 0 && row.created_at <= row.updated_at, "{name}");
        match row.kind {
            Kind::Public => assert_public(row),
            Kind::Virtual => assert_virtual(state, row),
        }
    }
}

fn assert_public<D>(row: &Row<D>) {
    assert_eq!((row.status, &row.session), (Status::Active, &None), "{}", row.name);
}

fn assert_virtual<D: Stored>(state: &State, row: &Row<D>) {
    match &row.session {
        Some(id) => {
            let session = state.sessions.get(id).unwrap_or_else(|| panic!("{} belongs to nobody", row.name));
            assert!(D::owned(session).contains(&row.name), "{} is not known to {id}", row.name);
            assert_eq!(session.user_id, row.owner, "{}", row.name);
        }
        None => assert!(!row.is_live(), "{} is live and released", row.name),
    }
}

fn assert_owned<D: Stored>(state: &State) {
    for (id, session) in state.sessions.iter() {
        for name in D::owned(session) {
            let row = D::table(state).get(name).unwrap_or_else(|| panic!("{id} owns {name}, which is gone"));
            assert_eq!(row.session.as_ref(), Some(id), "{name}");
        }
    }
}

fn assert_documents(state: &State) {
    assert_ids(&state.projects);
    assert_ids(&state.personalities);
    assert_ids(&state.prompts);
    for agent in state.agents.iter() {
        let project = agent.definition.project.as_ref();
        assert!(
            project.is_none_or(|name| state.projects.get(name).is_some()),
            "{} is in a project that is gone",
            agent.name
        );
    }
    for personality in state.personalities.iter() {
        let mut listed = state.personalities_of(&personality.definition.agent);
        assert!(listed.any(|other| other.name == personality.name), "{} is not found", personality.name);
    }
    for prompt in state.prompts.iter() {
        let owner = &prompt.definition.owner;
        assert!(state.prompts_of(owner).any(|other| other.name == prompt.name), "{} is not found", prompt.name);
        match owner {
            // The sweep keeps what belongs to an agent that may come back.
            PromptOwner::Agent(_) => {}
            PromptOwner::Project(name) => assert!(state.projects.get(name).is_some(), "{} is an orphan", prompt.name),
            PromptOwner::Personality(name) => {
                assert!(state.personalities.get(name).is_some(), "{} is an orphan", prompt.name);
            }
        }
    }
}

fn assert_ids<D>(documents: &Documents<D>) {
    for document in documents.iter() {
        assert_eq!(documents.by_id(document.id).map(|found| &found.name), Some(&document.name));
        assert!(document.version > 0 && document.created_at <= document.updated_at, "{}", document.name);
    }
}
