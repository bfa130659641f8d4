//! A publisher's declaration: all of it, or nothing.

use super::document;
use crate::{
    command::{AgentEntry, Provider, Register},
    definition::{AgentDefinition, LlmDefinition, Pin},
    event::{
        Body, Event, Subject,
        row::{Appeared, Cause, Kind, RowEvent, Status, Transition, Updated},
        session::SessionRegistered,
    },
    name::Name,
    rejection::{Refused, Rejection},
    state::{Row, State, Stored, TOMBSTONE_RETENTION, Tombstone},
    time::LogTime,
    wire::error::MAX_PROBLEMS,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

pub(super) fn register(state: &State, command: &Register, now: LogTime) -> Result<Vec<Event>, Rejection> {
    let mut events = Vec::with_capacity(1 + command.providers.len() + command.agents.len());
    match state.sessions.get(&command.session) {
        Some(session) if session.user_id != command.user.id => {
            return Err(Rejection::SessionOfAnotherUser(command.session.clone()));
        }
        Some(_) => {}
        None => events.push(session_registered(command)),
    }
    let declaration = Declaration { state, command, now };
    let (mut declared, mut refused) = (BTreeMap::new(), Refusals::default());
    for (index, provider) in command.providers.iter().enumerate() {
        match declaration.llm(provider, &mut events) {
            Ok(id) => drop(declared.insert(&provider.name, id)),
            Err(reason) => refused.add(|| format!("/providers/{index}/name"), reason),
        }
    }
    let pins = Pins::new(&declaration, &declared);
    for (index, agent) in command.agents.iter().enumerate() {
        if let Err((field, reason)) = declaration.agent(agent, &pins, &mut events) {
            refused.add(|| format!("/agents/{index}/{field}"), reason);
        }
    }
    refused.check()?;
    let agents: BTreeSet<&Name> = command.agents.iter().map(|agent| &agent.name).collect();
    declaration.withdraw::<AgentDefinition>(&agents, &mut events);
    declaration.withdraw::<LlmDefinition>(&declared.into_keys().collect(), &mut events);
    Ok(events)
}

fn session_registered(command: &Register) -> Event {
    let data = SessionRegistered { user_id: command.user.id, user: command.user.name.clone() };
    Event { subject: Subject::Session(command.session.clone()), body: Body::SessionRegistered(data) }
}

/// The entries in the way, as far as anybody reads them.
#[derive(Default)]
struct Refusals(Vec<Refused>);

impl Refusals {
    fn add(&mut self, pointer: impl FnOnce() -> String, reason: Rejection) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(Refused { pointer: pointer(), reason });
        }
    }

    fn check(self) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::Entries(self.0)) }
    }
}

/// What names mean to the agents of a declaration: its own Llms first, then all others and the pools as they are after
/// it, since its Llms join and leave them. Each pool is looked through once, however many agents ask for it.
struct Pins<'a> {
    state: &'a State,
    declared: &'a BTreeMap<&'a Name, Uuid>,
    joined: BTreeSet<&'a Name>,
    outlived: RefCell<BTreeMap<Name, bool>>,
}

impl<'a> Pins<'a> {
    fn new(declaration: &Declaration<'a>, declared: &'a BTreeMap<&'a Name, Uuid>) -> Self {
        let joined =
            declaration.command.providers.iter().filter_map(|provider| declaration.pool_of(provider)).collect();
        Self { state: declaration.state, declared, joined, outlived: RefCell::default() }
    }

    fn find(&self, name: &Name) -> Result<Pin, Rejection> {
        let llm = self.declared.get(name).copied().or_else(|| self.state.llms.get(name).map(|llm| llm.id));
        if llm.is_none() && !self.joined.contains(name) && !self.outlives(name) {
            return Err(Rejection::LlmNotFound(name.clone()));
        }
        Ok(Pin { id: llm, name: name.clone() })
    }

    /// Whether the pool has members that are not of this declaration.
    fn outlives(&self, pool: &Name) -> bool {
        if let Some(known) = self.outlived.borrow().get(pool) {
            return *known;
        }
        let members = self.state.pool(pool);
        let outlives = members.is_some_and(|mut members| members.any(|llm| !self.declared.contains_key(&llm.name)));
        self.outlived.borrow_mut().insert(pool.clone(), outlives);
        outlives
    }
}

struct Declaration<'a> {
    state: &'a State,
    command: &'a Register,
    now: LogTime,
}

impl<'a> Declaration<'a> {
    fn llm(&self, provider: &Provider, events: &mut Vec<Event>) -> Result<Uuid, Rejection> {
        let row = self.publishable::<LlmDefinition>(&provider.name)?;
        let definition = merge_llm(row.map(|row| &*row.definition), provider);
        Ok(self.declare(&provider.name, row, provider.id, provider.initial_status, definition, events))
    }

    fn agent(
        &self,
        agent: &AgentEntry,
        pins: &Pins<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), (&'static str, Rejection)> {
        let row = self.publishable::<AgentDefinition>(&agent.name).map_err(|reason| ("name", reason))?;
        let pin = pins.find(&agent.llm_name).map_err(|reason| ("llmName", reason))?;
        if let Some(project) = &agent.project {
            document::project(self.state, project).map_err(|reason| ("project", reason))?;
        }
        if row.is_none() && self.grave::<AgentDefinition>(&agent.name).is_none() {
            events.extend(document::of_agent(self.state, &agent.name));
        }
        let definition = merge_agent(row.map(|row| &*row.definition), agent, pin);
        self.declare(&agent.name, row, agent.id, Status::Active, definition, events);
        Ok(())
    }

    fn pool_of(&self, provider: &'a Provider) -> Option<&'a Name> {
        let kept = || self.state.llms.get(&provider.name).and_then(|row| row.definition.pool_name.as_ref());
        provider.pool_name.as_ref().or_else(kept)
    }

    /// The row of this name, if it may be published by this session.
    fn publishable<D: Stored>(&self, name: &Name) -> Result<Option<&Arc<Row<D>>>, Rejection> {
        let Some(row) = D::table(self.state).get(name) else { return Ok(None) };
        let (title, name) = (D::TITLE, name.clone());
        if row.kind == Kind::Public {
            Err(Rejection::PublicRow { title, name })
        } else if row.owner != self.command.user.id {
            Err(Rejection::OwnedByAnother { title, name })
        } else if row.is_live() && row.session.as_ref() != Some(&self.command.session) {
            Err(Rejection::ActiveElsewhere { title, name })
        } else {
            Ok(Some(row))
        }
    }

    /// Writes what makes the row stand as declared, and returns its id.
    fn declare<D: Stored>(
        &self,
        name: &Name,
        row: Option<&Arc<Row<D>>>,
        fresh_id: Uuid,
        to: Status,
        definition: D,
        events: &mut Vec<Event>,
    ) -> Uuid {
        let Some(row) = row else { return self.appear(name, fresh_id, to, definition, events) };
        if let Some(event) = self.transition(row, to) {
            events.push(D::event(name, event));
        }
        if *row.definition != definition {
            let version = row.version + 1;
            let (cause, kind, definition) = (Cause::Registered, row.kind, Arc::new(definition));
            let data = Updated { cause, from: to, to, kind, version, definition };
            events.push(D::event(name, RowEvent::Updated(data)));
        }
        row.id
    }

    fn appear<D: Stored>(
        &self,
        name: &Name,
        fresh_id: Uuid,
        to: Status,
        definition: D,
        events: &mut Vec<Event>,
    ) -> Uuid {
        let user = self.command.user.id;
        let grave = self.grave::<D>(name);
        let data = Appeared {
            cause: if grave.is_some() { Cause::Restored } else { Cause::Registered },
            from: None,
            to,
            id: grave.map_or(fresh_id, |grave| grave.id),
            kind: Kind::Virtual,
            owner_id: user,
            session_id: Some(self.command.session.clone()),
            version: grave.map_or(1, |grave| grave.version + 1),
            definition: Arc::new(definition),
        };
        let id = data.id;
        let event = if grave.is_some() { RowEvent::Restored(data) } else { RowEvent::Registered(data) };
        events.push(D::event(name, event));
        id
    }

    /// What is left of a row of this name, if it comes back with this declaration.
    fn grave<D: Stored>(&self, name: &Name) -> Option<Tombstone> {
        let oldest = self.now.minus(TOMBSTONE_RETENTION);
        let grave = D::table(self.state).tombstone(name).filter(|grave| grave.owner == self.command.user.id);
        grave.filter(|grave| grave.deleted_at >= oldest).copied()
    }

    fn transition<D: Stored>(&self, row: &Row<D>, to: Status) -> Option<RowEvent<D>> {
        let same_session = row.session.as_ref() == Some(&self.command.session);
        if same_session && row.status == to {
            return None;
        }
        let cause = match (same_session, row.status, to) {
            (false, ..) => Cause::Adopted,
            (true, Status::Active, Status::Hibernating) => Cause::Slept,
            (true, ..) => Cause::Registered,
        };
        let data = Transition::new(cause, row.status, to, Some(self.command.session.clone()));
        Some(if to == Status::Hibernating { RowEvent::Hibernated(data) } else { RowEvent::Activated(data) })
    }

    /// Releases the rows that the session owned and no longer names.
    fn withdraw<D: Stored>(&self, declared: &BTreeSet<&Name>, events: &mut Vec<Event>) {
        let Some(session) = self.state.sessions.get(&self.command.session) else { return };
        for name in D::owned(session).iter().filter(|name| !declared.contains(name)) {
            if let Some(row) = D::table(self.state).get(name) {
                let mut data = Transition::new(Cause::Withdrawn, row.status, Status::Inactive, None);
                // By this very request; once released, the row has no session to ask.
                data.last_heartbeat_at = Some(self.now);
                events.push(D::event(name, RowEvent::Deactivated(data)));
            }
        }
    }
}

fn merge_llm(old: Option<&LlmDefinition>, new: &Provider) -> LlmDefinition {
    let keep = |field: fn(&LlmDefinition) -> Option<String>| old.and_then(field);
    LlmDefinition {
        type_: new.type_.clone(),
        model: new.model.clone(),
        url: None,
        tier: new.tier.clone().or_else(|| keep(|old| old.tier.clone())),
        description: new.description.clone().or_else(|| keep(|old| old.description.clone())),
        pool_name: new.pool_name.clone().or_else(|| old.and_then(|old| old.pool_name.clone())),
        api_key_ref: None,
        extra_config: new.extra_config.clone().or_else(|| old.and_then(|old| old.extra_config.clone())),
        max_concurrent: new.max_concurrent.or_else(|| old.and_then(|old| old.max_concurrent)),
        max_wait_seconds: new.max_wait_seconds.or_else(|| old.and_then(|old| old.max_wait_seconds)),
        labels: new.labels.clone().or_else(|| old.map(|old| old.labels.clone())).unwrap_or_default(),
    }
}

fn merge_agent(old: Option<&AgentDefinition>, new: &AgentEntry, llm: Pin) -> AgentDefinition {
    AgentDefinition {
        description: new.description.clone().or_else(|| old.and_then(|old| old.description.clone())),
        system_prompt: new.system_prompt.clone().or_else(|| old.and_then(|old| old.system_prompt.clone())),
        llm,
        project: new.project.clone(),
        default_personality: old.and_then(|old| old.default_personality.clone()),
        proxy_model_name: old.and_then(|old| old.proxy_model_name.clone()),
        default_params: new.default_params.clone().or_else(|| old.and_then(|old| old.default_params.clone())),
        extras: new.extras.clone().or_else(|| old.and_then(|old| old.extras.clone())),
        labels: new.labels.clone().or_else(|| old.map(|old| old.labels.clone())).unwrap_or_default(),
    }
}
