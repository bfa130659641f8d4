//! Projects, personalities and prompts: made, replaced and deleted by hand, and deleted with what they belong to.

use crate::{
    command::{Create, Put},
    definition::{
        AgentDefinition,
        document::{PersonalityDefinition, ProjectDefinition, PromptDefinition, PromptOwner},
    },
    event::{
        Documented, Event, Resource,
        document::{Cause, Created, Deleted, DocumentEvent, Updated},
        row,
    },
    name::Name,
    record::MAX_RECORD_BYTES,
    rejection::Rejection,
    state::{Agent, Document, State, StoredDocument},
};
use std::sync::Arc;

/// What a document belongs to, and what belongs to it.
pub(super) trait Belonging: StoredDocument {
    /// Looks up what it names.
    fn check(&self, state: &State) -> Result<(), Rejection>;
    /// What its end means for others, before it is gone.
    fn leave(state: &State, name: &Name) -> Vec<Event>;
    /// What another definition means for others, before it has that.
    fn change(&self, _: &State, _: &Name) -> Vec<Event> {
        Vec::new()
    }
}

impl Belonging for ProjectDefinition {
    fn check(&self, _: &State) -> Result<(), Rejection> {
        Ok(())
    }

    fn leave(state: &State, name: &Name) -> Vec<Event> {
        let prompts = prompts(state, &PromptOwner::Project(name.clone()), Cause::ProjectDeleted);
        prompts.into_iter().chain(out_of_project(state, name)).collect()
    }
}

impl Belonging for PersonalityDefinition {
    fn check(&self, state: &State) -> Result<(), Rejection> {
        agent(state, &self.agent)
    }

    fn leave(state: &State, name: &Name) -> Vec<Event> {
        let prompts = prompts(state, &PromptOwner::Personality(name.clone()), Cause::PersonalityDeleted);
        prompts.into_iter().chain(no_default_any_more(state, name)).collect()
    }

    fn change(&self, state: &State, name: &Name) -> Vec<Event> {
        let moves = state.personalities.get(name).is_some_and(|before| before.definition.agent != self.agent);
        if moves { no_default_any_more(state, name).into_iter().collect() } else { Vec::new() }
    }
}

impl Belonging for PromptDefinition {
    fn check(&self, state: &State) -> Result<(), Rejection> {
        match &self.owner {
            PromptOwner::Agent(name) => agent(state, name),
            PromptOwner::Project(name) => project(state, name),
            PromptOwner::Personality(name) => {
                let there = state.personalities.get(name).is_some();
                there.then_some(()).ok_or_else(|| not_found::<PersonalityDefinition>(name))
            }
        }
    }

    fn leave(_: &State, _: &Name) -> Vec<Event> {
        Vec::new()
    }
}

pub(super) fn create<D: Belonging>(state: &State, command: &Create<D>) -> Result<Vec<Event>, Rejection> {
    if D::documents(state).get(&command.name).is_some() {
        return Err(Rejection::NameTaken { title: D::TITLE, name: command.name.clone() });
    }
    command.definition.check(state)?;
    let data = Created {
        cause: Cause::User,
        id: command.id,
        owner_id: command.owner,
        version: 1,
        definition: Arc::new(command.definition.clone()),
    };
    Ok(vec![D::event(&command.name, DocumentEvent::Created(data))])
}

pub(super) fn put<D: Belonging>(state: &State, command: &Put<D>) -> Result<Vec<Event>, Rejection> {
    let found = existing::<D>(state, &command.name)?;
    if let Some(expected) = command.if_match.filter(|version| *version != found.version) {
        let name = command.name.clone();
        return Err(Rejection::VersionConflict { title: D::TITLE, name, expected, found: found.version });
    }
    if *found.definition == command.definition {
        return Ok(Vec::new());
    }
    command.definition.check(state)?;
    let (version, definition) = (found.version + 1, Arc::new(command.definition.clone()));
    let data = Updated { cause: Cause::User, version, definition };
    let mut events = command.definition.change(state, &command.name);
    events.push(D::event(&command.name, DocumentEvent::Updated(data)));
    Ok(events)
}

pub(super) fn delete<D: Belonging>(state: &State, name: &Name) -> Result<Vec<Event>, Rejection> {
    let found = existing::<D>(state, name)?;
    let mut events = D::leave(state, name);
    events.push(deleted(found, Cause::User));
    Ok(events)
}

/// The agents of a project, out of it: each event holds all of an agent's definition, so many may not fit in one record.
pub(super) fn empty_project(state: &State, name: &Name) -> Vec<Event> {
    let mut bytes = 0;
    let fits = |event: &Event| {
        let first = bytes == 0;
        bytes += serde_json::to_vec(event).map_or(0, |json| json.len());
        first || bytes <= MAX_RECORD_BYTES / 2
    };
    out_of_project(state, name).take_while(fits).collect()
}

fn out_of_project(state: &State, name: &Name) -> impl Iterator<Item = Event> {
    let agents = state.agents.iter().filter(|agent| agent.definition.project.as_ref() == Some(name));
    agents.map(|agent| redefined(agent, AgentDefinition { project: None, ..AgentDefinition::clone(&agent.definition) }))
}

/// What goes with an agent: its prompts, and its personalities with theirs. Also what an agent that the sweep deleted has
/// left behind, once its name means another one.
pub(super) fn of_agent(state: &State, agent: &Name) -> Vec<Event> {
    let mut events = prompts(state, &PromptOwner::Agent(agent.clone()), Cause::AgentDeleted);
    for personality in state.personalities_of(agent) {
        events.extend(prompts(state, &PromptOwner::Personality(personality.name.clone()), Cause::PersonalityDeleted));
        events.push(deleted(personality, Cause::AgentDeleted));
    }
    events
}

/// The project of this name is there.
pub(super) fn project(state: &State, name: &Name) -> Result<(), Rejection> {
    let there = state.projects.get(name).is_some();
    there.then_some(()).ok_or_else(|| Rejection::ProjectNotFound(name.clone()))
}

/// The personality that an agent names as its default is its own, if there is one of this name: agents come first.
pub(super) fn default_personality(state: &State, agent: &Name, name: &Name) -> Result<(), Rejection> {
    match state.personalities.get(name) {
        Some(found) if found.definition.agent != *agent => {
            Err(Rejection::PersonalityOfAnother { personality: name.clone(), agent: found.definition.agent.clone() })
        }
        _ => Ok(()),
    }
}

fn agent(state: &State, name: &Name) -> Result<(), Rejection> {
    state.agents.get(name).map(|_| ()).ok_or_else(|| Rejection::AgentNotFound(name.clone()))
}

fn existing<'a, D: StoredDocument>(state: &'a State, name: &Name) -> Result<&'a Document<D>, Rejection> {
    D::documents(state).get(name).map(|document| &**document).ok_or_else(|| not_found::<D>(name))
}

fn not_found<D: StoredDocument>(name: &Name) -> Rejection {
    Rejection::DocumentNotFound { title: D::TITLE, name: name.clone() }
}

fn prompts(state: &State, owner: &PromptOwner, cause: Cause) -> Vec<Event> {
    state.prompts_of(owner).map(|prompt| deleted(prompt, cause)).collect()
}

fn deleted<D: Documented>(document: &Document<D>, cause: Cause) -> Event {
    D::event(&document.name, DocumentEvent::Deleted(Deleted { cause, id: document.id }))
}

/// The agent of a personality names it as its default no longer.
fn no_default_any_more(state: &State, name: &Name) -> Option<Event> {
    let agent = state.agents.get(&state.personalities.get(name)?.definition.agent)?;
    let is_default = agent.definition.default_personality.as_ref() == Some(name);
    let without = || AgentDefinition { default_personality: None, ..AgentDefinition::clone(&agent.definition) };
    is_default.then(|| redefined(agent, without()))
}

/// An agent that loses what it named.
fn redefined(agent: &Agent, definition: AgentDefinition) -> Event {
    let data = row::Updated {
        cause: row::Cause::User,
        from: agent.status,
        to: agent.status,
        kind: agent.kind,
        version: agent.version + 1,
        definition: Arc::new(definition),
    };
    AgentDefinition::event(&agent.name, row::RowEvent::Updated(data))
}
