//! What the registry is after the events so far: the fold of the log, in memory.
//!
//! The state is changed by [`evolve`](crate::evolve::evolve) alone. Maps that are walked to decide something are
//! ordered, so that a decision never depends on a hash seed.

mod document;
mod keys;
mod ordered;
mod owners;
mod row;
mod session;
mod table;

pub use document::{Document, Documents, Personality, Project, Prompt, StoredDocument};
pub use keys::{KeyFull, KeyUse, Keys};
pub use ordered::Ordered;
pub use row::{Agent, Llm, Row};
pub use session::{Connection, Session};
pub use table::{Table, Tombstone};

use crate::{
    access::Grant,
    definition::{
        AgentDefinition, LlmDefinition, Pin,
        document::{PersonalityDefinition, ProjectDefinition, PromptDefinition, PromptOwner},
    },
    event::{Resource, registry::WriterElected, token::Role},
    hash::Hash,
    name::{Name, SessionId},
    time::LogTime,
};
use document::Belongings;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

/// Names of deleted rows are kept this long for a restore: 90 days.
pub const TOMBSTONE_RETENTION: std::time::Duration = std::time::Duration::from_hours(90 * 24);

/// The registry, as far as it is known from the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Log time of the last event.
    pub now: LogTime,
    /// All Llms.
    pub llms: Table<LlmDefinition>,
    /// All agents.
    pub agents: Table<AgentDefinition>,
    /// All projects.
    pub projects: Documents<ProjectDefinition>,
    /// All personalities.
    pub personalities: Documents<PersonalityDefinition>,
    /// All prompts.
    pub prompts: Documents<PromptDefinition>,
    /// All sessions.
    pub sessions: Ordered<SessionId, Session>,
    /// Users by name.
    pub users: BTreeMap<Name, Uuid>,
    /// Tokens by the hash of their secret.
    #[serde(with = "tokens_as_list")]
    pub tokens: HashMap<Hash, Token>,
    /// What users may do besides what their roles allow; no user is here for nothing.
    pub grants: BTreeMap<Name, BTreeMap<Grant, LogTime>>,
    /// When expiry goes on, while it is suspended.
    pub expiry_suspended_until: Option<LogTime>,
    /// Who was elected last, and where it is. Whether it still leads is for admission to say.
    pub elected: Option<WriterElected>,
    /// Agents pinned to an Llm, by the Llm's id.
    pub(crate) pins: BTreeMap<Uuid, BTreeSet<Name>>,
    /// Llms by explicit pool name.
    pub(crate) pools: BTreeMap<Name, BTreeSet<Name>>,
    /// Personalities and prompts by what they belong to.
    pub(crate) belongings: Belongings,
    /// Clients' keys of the last 24 hours.
    pub keys: Keys,
    /// What changed since [`State::take_touched`].
    #[serde(skip)]
    touches: Touches,
}

impl State {
    /// A copy to try something on, without what is remembered of clients' keys: no rule asks for those.
    #[must_use]
    pub fn without_keys(&self) -> Self {
        let Self {
            now,
            llms,
            agents,
            projects,
            personalities,
            prompts,
            sessions,
            users,
            tokens,
            grants,
            expiry_suspended_until,
            elected,
            pins,
            pools,
            belongings,
            keys: _,
            touches: _,
        } = self;
        Self {
            now: *now,
            llms: llms.clone(),
            agents: agents.clone(),
            projects: projects.clone(),
            personalities: personalities.clone(),
            prompts: prompts.clone(),
            sessions: sessions.clone(),
            users: users.clone(),
            tokens: tokens.clone(),
            grants: grants.clone(),
            expiry_suspended_until: *expiry_suspended_until,
            elected: elected.clone(),
            pins: pins.clone(),
            pools: pools.clone(),
            belongings: belongings.clone(),
            keys: Keys::default(),
            touches: Touches::default(),
        }
    }
}

/// What changed, while somebody asks. A copy of a state is asked by nobody, and states are equal whoever asks.
#[derive(Debug, Default)]
struct Touches(Option<Vec<Touched>>);

impl Clone for Touches {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl PartialEq for Touches {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A token that works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique name.
    pub name: Name,
    /// The user that it stands for.
    pub user_id: Uuid,
    /// That user's name.
    pub user: Name,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret.
    pub sha256: Hash,
    /// When it stops working.
    pub expires_at: Option<LogTime>,
    /// When it was made.
    pub created_at: LogTime,
}

/// What an event changed: the rows that a projection has to write again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Touched {
    /// The Llm of this name, or its absence.
    Llm(Name),
    /// The agent of this name, or its absence.
    Agent(Name),
    /// The project of this name, or its absence.
    Project(Name),
    /// The personality of this name, or its absence.
    Personality(Name),
    /// The prompt of this name, or its absence.
    Prompt(Name),
    /// The session, or its absence.
    Session(SessionId),
    /// The token of this name, or its absence.
    Token(Name),
    /// What the user of this name was granted, or its absence.
    Grant(Name, Grant),
}

/// Resources that are kept in a [`Table`] of the state.
pub trait Stored: Resource {
    /// The table of this resource.
    fn table(state: &State) -> &Table<Self>;
    /// The same, to be changed by the fold.
    fn table_mut(state: &mut State) -> &mut Table<Self>;
    /// Names of the rows of this resource that a session owns.
    fn owned(session: &Session) -> &BTreeSet<Name>;
    /// The same, to be changed by the fold.
    fn owned_mut(session: &mut Session) -> &mut BTreeSet<Name>;
    /// The mark of a change of this row.
    fn touched(name: Name) -> Touched;
    /// Keeps the state's indexes right as a definition comes, changes or goes.
    fn index(state: &mut State, name: &Name, before: Option<&Self>, after: Option<&Self>);
}

impl Stored for LlmDefinition {
    fn table(state: &State) -> &Table<Self> {
        &state.llms
    }
    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.llms
    }
    fn owned(session: &Session) -> &BTreeSet<Name> {
        &session.llms
    }
    fn owned_mut(session: &mut Session) -> &mut BTreeSet<Name> {
        &mut session.llms
    }
    fn touched(name: Name) -> Touched {
        Touched::Llm(name)
    }
    fn index(state: &mut State, name: &Name, before: Option<&Self>, after: Option<&Self>) {
        let pool = |definition: Option<&Self>| definition?.pool_name.clone();
        regroup(&mut state.pools, name, pool(before), pool(after));
    }
}

impl Stored for AgentDefinition {
    fn table(state: &State) -> &Table<Self> {
        &state.agents
    }
    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.agents
    }
    fn owned(session: &Session) -> &BTreeSet<Name> {
        &session.agents
    }
    fn owned_mut(session: &mut Session) -> &mut BTreeSet<Name> {
        &mut session.agents
    }
    fn touched(name: Name) -> Touched {
        Touched::Agent(name)
    }
    fn index(state: &mut State, name: &Name, before: Option<&Self>, after: Option<&Self>) {
        let llm = |definition: Option<&Self>| definition?.llm.id;
        regroup(&mut state.pins, name, llm(before), llm(after));
    }
}

fn regroup<K: Ord>(index: &mut BTreeMap<K, BTreeSet<Name>>, name: &Name, before: Option<K>, after: Option<K>) {
    if before == after {
        return;
    }
    if let Some(key) = before
        && let Some(names) = index.get_mut(&key)
    {
        names.remove(name);
        if names.is_empty() {
            index.remove(&key);
        }
    }
    if let Some(key) = after {
        index.entry(key).or_default().insert(name.clone());
    }
}

impl State {
    /// How many Llms and agents a session of this user owns, if none of them is inactive: a sign of life changes nothing
    /// then.
    pub fn live_rows(&self, session: &SessionId, user: Uuid) -> Option<(usize, usize)> {
        let session = self.sessions.get(session).filter(|session| session.user_id == user)?;
        let llms = session.llms.iter().all(|name| self.llms.get(name).is_some_and(|row| row.is_live()));
        let agents = session.agents.iter().all(|name| self.agents.get(name).is_some_and(|row| row.is_live()));
        (llms && agents).then_some((session.llms.len(), session.agents.len()))
    }

    /// Whether a session has any row that is not inactive.
    pub fn has_live_rows(&self, session: &Session) -> bool {
        session.llms.iter().any(|name| self.llms.get(name).is_some_and(|row| row.is_live()))
            || session.agents.iter().any(|name| self.agents.get(name).is_some_and(|row| row.is_live()))
    }

    /// The agents pinned to the Llm of this id, by name.
    pub fn agents_of(&self, llm: Uuid) -> impl Iterator<Item = &Arc<Agent>> {
        self.pins.get(&llm).into_iter().flatten().filter_map(|name| self.agents.get(name))
    }

    /// The Llms with this explicit pool name, by name; `None` if there are none.
    pub fn pool(&self, name: &str) -> Option<impl Iterator<Item = &Arc<Llm>>> {
        self.pools.get(name).map(|members| members.iter().filter_map(|member| self.llms.get(member)))
    }

    /// All explicit pools, by name, with the names of their members.
    pub fn pools(&self) -> impl Iterator<Item = (&Name, &BTreeSet<Name>)> {
        self.pools.iter()
    }

    /// What `name` means to an agent: the Llm of this name, or else a pool.
    pub fn pin(&self, name: &Name) -> Option<Pin> {
        match self.llms.get(name) {
            Some(llm) => Some(Pin { id: Some(llm.id), name: name.clone() }),
            None => self.pools.contains_key(name).then(|| Pin { id: None, name: name.clone() }),
        }
    }

    /// The personalities of the agent of this name, by name.
    pub fn personalities_of(&self, agent: &str) -> impl Iterator<Item = &Arc<Personality>> {
        self.belongings.personalities(agent).filter_map(|name| self.personalities.get(name))
    }

    /// The prompts of an agent, a project or a personality, by name.
    pub fn prompts_of(&self, owner: &PromptOwner) -> impl Iterator<Item = &Arc<Prompt>> {
        self.belongings.prompts(owner).filter_map(|name| self.prompts.get(name))
    }

    /// The document of this name as it stands, and nothing else.
    #[must_use]
    pub fn part_of_document<D: StoredDocument>(&self, name: &Name) -> Self {
        let mut part = Self { now: self.now, ..Self::default() };
        if let Some(document) = D::documents(self).get(name) {
            D::documents_mut(&mut part).put(document.clone());
        }
        part
    }

    /// These rows with their sessions and projects, and this session, as they stand, and nothing else.
    #[must_use]
    pub fn part<'a>(
        &self,
        llms: impl IntoIterator<Item = &'a Name>,
        agents: impl IntoIterator<Item = &'a Name>,
        session: Option<&SessionId>,
    ) -> Self {
        let mut part = Self { now: self.now, ..Self::default() };
        part.add_session(self, session);
        for row in llms.into_iter().filter_map(|name| self.llms.get(name)) {
            part.add_session(self, row.session.as_ref());
            part.llms.share(row.clone());
        }
        for row in agents.into_iter().filter_map(|name| self.agents.get(name)) {
            part.add_session(self, row.session.as_ref());
            if let Some(project) = row.definition.project.as_ref().and_then(|name| self.projects.get(name)) {
                part.projects.put(project.clone());
            }
            part.agents.share(row.clone());
        }
        part
    }

    fn add_session(&mut self, whole: &Self, id: Option<&SessionId>) {
        if let Some(id) = id.filter(|id| self.sessions.get(*id).is_none())
            && let Some(session) = whole.sessions.get(id)
        {
            self.sessions.insert(id.clone(), session.clone());
        }
    }

    /// The token of this name.
    pub fn token(&self, name: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.name.as_str() == name)
    }

    /// How many Llms, agents and documents a user owns.
    pub fn rows_of(&self, user: Uuid) -> usize {
        let documents = self.projects.owned_by(user) + self.personalities.owned_by(user) + self.prompts.owned_by(user);
        self.llms.owned_by(user) + self.agents.owned_by(user) + documents
    }

    /// Begins to record what changes.
    pub fn track_touched(&mut self) {
        self.touches.0.get_or_insert_default();
    }

    /// What changed since the last call.
    pub fn take_touched(&mut self) -> Vec<Touched> {
        self.touches.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn touch(&mut self, what: impl FnOnce() -> Touched) {
        if let Some(touched) = &mut self.touches.0 {
            touched.push(what());
        }
    }
}

/// JSON has no map keys but strings; the hash is part of the token anyway.
mod tokens_as_list {
    use super::{Hash, HashMap, Token};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(tokens: &HashMap<Hash, Token>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(tokens.values())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<Hash, Token>, D::Error> {
        let tokens = Vec::<Token>::deserialize(deserializer)?;
        Ok(tokens.into_iter().map(|token| (token.sha256, token)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_tracked_state_gathers_nothing() {
        let mut state = State::default();
        state.track_touched();
        let mut copy = state.clone();
        let name = || Touched::Llm(Name::parse("qwen").unwrap());
        copy.touch(name);
        state.touch(name);
        assert_eq!((state.take_touched().len(), copy.take_touched().len()), (1, 0));
    }
}
