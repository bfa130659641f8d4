//! Projects, personalities and prompts as they stand, and which of them belong together.

use super::{Ordered, State, Touched, owners::Owners};
use crate::{
    definition::document::{PersonalityDefinition, ProjectDefinition, PromptDefinition, PromptOwner},
    event::Documented,
    name::Name,
    time::LogTime,
};
use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

/// A document of the registry. `D` is its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<D> {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique among its kind of document.
    pub name: Name,
    /// The user who made it.
    pub owner: Uuid,
    /// Counts changes, from 1.
    pub version: u64,
    /// What it is.
    pub definition: Arc<D>,
    /// When it was made.
    pub created_at: LogTime,
    /// When it last changed.
    pub updated_at: LogTime,
}

/// A project as it stands.
pub type Project = Document<ProjectDefinition>;
/// A personality as it stands.
pub type Personality = Document<PersonalityDefinition>;
/// A prompt as it stands.
pub type Prompt = Document<PromptDefinition>;

/// Documents of one kind, by name and by id. They are shared: a reader keeps the one that it took while they go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Documents<D> {
    all: Ordered<Name, Arc<Document<D>>>,
    names: HashMap<Uuid, Name>,
    owners: Owners,
}

impl<D> Default for Documents<D> {
    fn default() -> Self {
        Self { all: Ordered::default(), names: HashMap::new(), owners: Owners::default() }
    }
}

impl<D> Documents<D> {
    /// The document of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Document<D>>> {
        self.all.get(name)
    }

    /// The document of this id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Document<D>>> {
        self.all.get(self.names.get(&id)?)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Document<D>>> {
        self.all.iter().map(|(_, document)| document)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many a user owns.
    pub(super) fn owned_by(&self, user: Uuid) -> usize {
        self.owners.count(user)
    }

    /// Puts a document in the place of the one of its name.
    pub(crate) fn put(&mut self, document: Arc<Document<D>>) {
        let (id, name) = (document.id, document.name.clone());
        self.owners.add(document.owner);
        if let Some(before) = self.all.insert(name.clone(), document) {
            self.names.remove(&before.id);
            self.owners.remove(before.owner);
        }
        self.names.insert(id, name);
    }

    pub(crate) fn remove(&mut self, name: &Name) {
        if let Some(document) = self.all.remove(name.as_str()) {
            self.names.remove(&document.id);
            self.owners.remove(document.owner);
        }
    }
}

impl<D: Serialize> Serialize for Documents<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, D: Deserialize<'de>> Deserialize<'de> for Documents<D> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        let mut documents = Self::default();
        for document in Vec::<Document<D>>::deserialize(deserializer)? {
            documents.put(Arc::new(document));
        }
        Ok(documents)
    }
}

/// Definitions that are kept as [`Documents`] of the state.
pub trait StoredDocument: Documented {
    /// The documents of this kind.
    fn documents(state: &State) -> &Documents<Self>;
    /// The same, to be changed by the fold.
    fn documents_mut(state: &mut State) -> &mut Documents<Self>;
    /// The mark of a change of this document.
    fn touched(name: Name) -> Touched;
    /// Keeps the state's indexes right as a definition comes, changes or goes.
    fn index(state: &mut State, name: &Name, before: Option<&Self>, after: Option<&Self>);
}

impl StoredDocument for ProjectDefinition {
    fn documents(state: &State) -> &Documents<Self> {
        &state.projects
    }
    fn documents_mut(state: &mut State) -> &mut Documents<Self> {
        &mut state.projects
    }
    fn touched(name: Name) -> Touched {
        Touched::Project(name)
    }
    fn index(_: &mut State, _: &Name, _: Option<&Self>, _: Option<&Self>) {}
}

impl StoredDocument for PersonalityDefinition {
    fn documents(state: &State) -> &Documents<Self> {
        &state.personalities
    }
    fn documents_mut(state: &mut State) -> &mut Documents<Self> {
        &mut state.personalities
    }
    fn touched(name: Name) -> Touched {
        Touched::Personality(name)
    }
    fn index(state: &mut State, name: &Name, before: Option<&Self>, after: Option<&Self>) {
        let agent = |definition: Option<&Self>| definition.map(|definition| definition.agent.clone());
        state.belongings.move_personality(name, agent(before), agent(after));
    }
}

impl StoredDocument for PromptDefinition {
    fn documents(state: &State) -> &Documents<Self> {
        &state.prompts
    }
    fn documents_mut(state: &mut State) -> &mut Documents<Self> {
        &mut state.prompts
    }
    fn touched(name: Name) -> Touched {
        Touched::Prompt(name)
    }
    fn index(state: &mut State, name: &Name, before: Option<&Self>, after: Option<&Self>) {
        let owner = |definition: Option<&Self>| definition.map(|definition| definition.owner.clone());
        state.belongings.move_prompt(name, owner(before), owner(after));
    }
}

/// Names of documents by what they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Belongings {
    /// Personalities by agent.
    personalities: Groups,
    /// Prompts by agent.
    of_agents: Groups,
    /// Prompts by project.
    of_projects: Groups,
    /// Prompts by personality.
    of_personalities: Groups,
}

type Groups = BTreeMap<Name, BTreeSet<Name>>;

impl Belongings {
    pub(super) fn personalities(&self, agent: &str) -> impl Iterator<Item = &Name> {
        self.personalities.get(agent).into_iter().flatten()
    }

    pub(super) fn prompts(&self, owner: &PromptOwner) -> impl Iterator<Item = &Name> {
        let prompts = match owner {
            PromptOwner::Agent(name) => self.of_agents.get(name),
            PromptOwner::Project(name) => self.of_projects.get(name),
            PromptOwner::Personality(name) => self.of_personalities.get(name),
        };
        prompts.into_iter().flatten()
    }

    pub(super) fn move_personality(&mut self, name: &Name, before: Option<Name>, after: Option<Name>) {
        super::regroup(&mut self.personalities, name, before, after);
    }

    pub(super) fn move_prompt(&mut self, name: &Name, before: Option<PromptOwner>, after: Option<PromptOwner>) {
        if let Some(before) = before {
            let (groups, owner) = self.prompts_of_mut(before);
            super::regroup(groups, name, Some(owner), None);
        }
        if let Some(after) = after {
            let (groups, owner) = self.prompts_of_mut(after);
            super::regroup(groups, name, None, Some(owner));
        }
    }

    fn prompts_of_mut(&mut self, owner: PromptOwner) -> (&mut Groups, Name) {
        match owner {
            PromptOwner::Agent(name) => (&mut self.of_agents, name),
            PromptOwner::Project(name) => (&mut self.of_projects, name),
            PromptOwner::Personality(name) => (&mut self.of_personalities, name),
        }
    }
}
