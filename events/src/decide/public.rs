//! What people create, edit, pause and delete by hand.

use super::document;
use crate::{
    command::{Create, DeleteRow, Hand, Put, Reach, Switch},
    definition::{AgentDefinition, Definition, LlmDefinition},
    event::{
        Event,
        row::{Appeared, Cause, Deleted, Kind, RowEvent, Status, Switched, Updated},
    },
    name::Name,
    rejection::Rejection,
    state::{Row, State, Stored},
};
use std::sync::Arc;

/// A definition whose references a person gave by name.
pub(super) trait ByHand: Stored {
    /// Looks up the names that the definition of the row of this name holds.
    fn resolve(&self, name: &Name, state: &State) -> Result<Self, Rejection>;
    /// What a row of this name that is long gone has left behind.
    fn left_behind(state: &State, name: &Name) -> Vec<Event>;
    /// The refusal when there is no row of this name.
    fn not_found(name: &Name) -> Rejection;
}

impl ByHand for LlmDefinition {
    fn resolve(&self, _: &Name, _: &State) -> Result<Self, Rejection> {
        Ok(self.clone())
    }
    fn left_behind(_: &State, _: &Name) -> Vec<Event> {
        Vec::new()
    }
    fn not_found(name: &Name) -> Rejection {
        Rejection::LlmNotFound(name.clone())
    }
}

impl ByHand for AgentDefinition {
    fn resolve(&self, name: &Name, state: &State) -> Result<Self, Rejection> {
        let llm = state.pin(&self.llm.name).ok_or_else(|| Rejection::LlmNotFound(self.llm.name.clone()))?;
        self.project.as_ref().map_or(Ok(()), |project| document::project(state, project))?;
        // One that is there already stays, whatever became of the personality since.
        let before = state.agents.get(name).and_then(|row| row.definition.default_personality.as_ref());
        let personality = self.default_personality.as_ref().filter(|personality| Some(*personality) != before);
        personality.map_or(Ok(()), |personality| document::default_personality(state, name, personality))?;
        Ok(Self { llm, ..self.clone() })
    }
    fn left_behind(state: &State, name: &Name) -> Vec<Event> {
        document::of_agent(state, name)
    }
    fn not_found(name: &Name) -> Rejection {
        Rejection::AgentNotFound(name.clone())
    }
}

pub(super) fn create<D: ByHand>(state: &State, command: &Create<D>) -> Result<Vec<Event>, Rejection> {
    if D::table(state).get(&command.name).is_some() {
        return Err(Rejection::NameTaken { title: D::TITLE, name: command.name.clone() });
    }
    let data = Appeared {
        cause: Cause::User,
        from: None,
        to: Status::Active,
        id: command.id,
        kind: Kind::Public,
        owner_id: command.owner,
        session_id: None,
        version: 1,
        definition: Arc::new(command.definition.resolve(&command.name, state)?),
    };
    let mut events = D::left_behind(state, &command.name);
    events.push(D::event(&command.name, RowEvent::Created(data)));
    Ok(events)
}

pub(super) fn put<D: ByHand>(state: &State, command: &Put<D>) -> Result<Vec<Event>, Rejection> {
    let row = existing::<D>(state, &command.name)?;
    in_reach(row, command.by)?;
    if let Some(expected) = command.if_match.filter(|version| *version != row.version) {
        let name = command.name.clone();
        return Err(Rejection::VersionConflict { title: D::TITLE, name, expected, found: row.version });
    }
    let definition = command.definition.resolve(&command.name, state)?;
    if *row.definition == definition {
        return Ok(Vec::new());
    }
    if row.kind == Kind::Virtual && row.is_live() {
        let (name, status) = (command.name.clone(), row.status.as_str());
        return Err(Rejection::DefinedByPublisher { title: D::TITLE, name, status });
    }
    let data = Updated {
        cause: Cause::User,
        from: row.status,
        to: Status::Active,
        kind: Kind::Public,
        version: row.version + 1,
        definition: Arc::new(definition),
    };
    Ok(vec![D::event(&command.name, RowEvent::Updated(data))])
}

pub(super) fn switch<D: ByHand>(state: &State, command: &Switch) -> Result<Vec<Event>, Rejection> {
    let row = existing::<D>(state, &command.name)?;
    if row.disabled == command.disabled {
        return Ok(Vec::new());
    }
    let data = Switched { cause: Cause::User, from: row.status, to: row.status };
    let event = if command.disabled { RowEvent::Disabled(data) } else { RowEvent::Enabled(data) };
    Ok(vec![D::event(&command.name, event)])
}

pub(super) fn delete_llm(state: &State, DeleteRow { name, by }: &DeleteRow) -> Result<Vec<Event>, Rejection> {
    let llm = existing::<LlmDefinition>(state, name)?;
    in_reach(llm, *by)?;
    let public = state.agents_of(llm.id).filter(|agent| agent.kind == Kind::Public);
    let agents: Vec<Name> = public.map(|agent| agent.name.clone()).collect();
    if !agents.is_empty() {
        return Err(Rejection::PinnedByPublicAgents { llm: name.clone(), agents });
    }
    let mut events = Vec::new();
    for agent in state.agents_of(llm.id) {
        events.extend(document::of_agent(state, &agent.name));
        events.push(deleted(agent, Cause::LlmDeleted));
    }
    events.push(deleted(llm, Cause::User));
    Ok(events)
}

pub(super) fn delete_agent(state: &State, DeleteRow { name, by }: &DeleteRow) -> Result<Vec<Event>, Rejection> {
    let agent = existing::<AgentDefinition>(state, name)?;
    in_reach(agent, *by)?;
    Ok(document::of_agent(state, name).into_iter().chain([deleted(agent, Cause::User)]).collect())
}

/// A virtual row is its user's, and an admin's: nobody else deletes it, or makes it public.
fn in_reach<D: ByHand>(row: &Row<D>, by: Hand) -> Result<(), Rejection> {
    let (title, name) = (D::TITLE, || row.name.clone());
    match (row.kind, by.reach) {
        (Kind::Public, Reach::Own) => Err(Rejection::ForEditors { title, name: name() }),
        (Kind::Virtual, Reach::Own | Reach::Public) if row.owner != by.user => {
            Err(Rejection::NotYours { title, name: name() })
        }
        _ => Ok(()),
    }
}

fn existing<'a, D: ByHand>(state: &'a State, name: &Name) -> Result<&'a Row<D>, Rejection> {
    D::table(state).get(name).map(|row| &**row).ok_or_else(|| D::not_found(name))
}

fn deleted<D: Stored + Definition>(row: &Row<D>, cause: Cause) -> Event {
    let data = Deleted {
        cause,
        from: row.status,
        to: None,
        id: row.id,
        inactive_since: row.inactive_since,
        last_heartbeat_at: row.last_heartbeat_at,
        cutoff: None,
        sweep_id: None,
    };
    D::event(&row.name, RowEvent::Deleted(data))
}
