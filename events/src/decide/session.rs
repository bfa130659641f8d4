//! Streams that open and end, and what that means for the rows of their session.

use crate::{
    command::{CloseBoots, Connect, Deactivate, Disconnect, Revive, Wake, WakeOutcome},
    definition::{AgentDefinition, LlmDefinition},
    event::{
        Body, Event, Resource, Subject,
        row::{Cause, RowEvent, Status, Transition, WakeFailed},
        session::{SessionConnected, SessionDisconnected, StreamEnd},
    },
    name::SessionId,
    record::MAX_EVENTS_OF_A_MASS_CHANGE,
    rejection::Rejection,
    state::{Session, State, Stored},
};
use uuid::Uuid;

pub(super) fn connect(state: &State, command: &Connect) -> Result<Vec<Event>, Rejection> {
    let session = owned(state, &command.session, command.user)?;
    let data = SessionConnected {
        epoch: session.epoch + 1,
        node: command.node.clone(),
        boot_id: command.boot_id,
        transport: command.transport,
    };
    let mut events = vec![about(&command.session, Body::SessionConnected(data))];
    revive_rows(state, &command.session, session, Cause::Reconnected, &mut events);
    Ok(events)
}

pub(super) fn revive(state: &State, command: &Revive) -> Result<Vec<Event>, Rejection> {
    let session = owned(state, &command.session, command.user)?;
    let mut events = Vec::new();
    revive_rows(state, &command.session, session, command.cause, &mut events);
    Ok(events)
}

pub(super) fn disconnect(state: &State, command: &Disconnect) -> Vec<Event> {
    let current = state.sessions.get(&command.session).filter(|session| session.epoch == command.epoch);
    let bound = current.filter(|session| session.connection.is_some());
    bound.map(|_| disconnected(&command.session, command.epoch, command.cause)).into_iter().collect()
}

pub(super) fn close_boots(state: &State, command: &CloseBoots) -> Vec<Event> {
    let is_over = |session: &&Session| {
        session.connection.as_ref().is_some_and(|connection| {
            connection.boot_id != command.living_boot
                && command.node.as_ref().is_none_or(|node| *node == connection.node)
        })
    };
    let over = state.sessions.iter().filter(|(_, session)| is_over(session));
    over.take(MAX_EVENTS_OF_A_MASS_CHANGE)
        .map(|(id, session)| disconnected(id, session.epoch, StreamEnd::NodeLost))
        .collect()
}

pub(super) fn deactivate(state: &State, command: &Deactivate) -> Vec<Event> {
    let gone = |session: &&Session| session.epoch == command.epoch && session.connection.is_none();
    let Some(session) = state.sessions.get(&command.session).filter(gone) else { return Vec::new() };
    let mut events = Vec::new();
    let leave = |from| {
        let mut data = Transition::new(command.cause, from, Status::Inactive, Some(command.session.clone()));
        data.last_heartbeat_at = command.last_heartbeat_at;
        data
    };
    leave_rows::<AgentDefinition>(state, session, &leave, &mut events);
    leave_rows::<LlmDefinition>(state, session, &leave, &mut events);
    events
}

/// A row that is no longer asleep has been reported on by its publisher meanwhile.
pub(super) fn wake(state: &State, command: &Wake) -> Vec<Event> {
    let row = state.llms.get(&command.name).filter(|row| row.id == command.llm);
    let Some(row) = row.filter(|row| row.status == Status::Hibernating) else { return Vec::new() };
    let event = match &command.outcome {
        WakeOutcome::Woken => {
            let mut data = Transition::new(Cause::Woken, row.status, Status::Active, row.session.clone());
            data.latency_ms = Some(command.latency_ms);
            RowEvent::Activated(data)
        }
        WakeOutcome::Failed(reason) => RowEvent::WakeFailed(WakeFailed {
            cause: Cause::WakeFailed,
            from: row.status,
            to: row.status,
            reason: reason.clone(),
            latency_ms: command.latency_ms,
        }),
    };
    vec![LlmDefinition::event(&command.name, event)]
}

/// Makes the live rows of a session inactive, as far as the record has room.
pub(super) fn leave_rows<D: Stored>(
    state: &State,
    session: &Session,
    leave: &impl Fn(Status) -> Transition,
    events: &mut Vec<Event>,
) {
    for name in D::owned(session) {
        if events.len() >= MAX_EVENTS_OF_A_MASS_CHANGE {
            return;
        }
        if let Some(row) = D::table(state).get(name).filter(|row| row.is_live()) {
            events.push(D::event(name, RowEvent::Deactivated(leave(row.status))));
        }
    }
}

fn revive_rows(state: &State, id: &SessionId, session: &Session, cause: Cause, events: &mut Vec<Event>) {
    revive_rows_of::<LlmDefinition>(state, id, session, cause, events);
    revive_rows_of::<AgentDefinition>(state, id, session, cause, events);
}

fn revive_rows_of<D: Stored>(state: &State, id: &SessionId, session: &Session, cause: Cause, events: &mut Vec<Event>) {
    for name in D::owned(session) {
        if events.len() >= MAX_EVENTS_OF_A_MASS_CHANGE {
            return;
        }
        let Some(row) = D::table(state).get(name).filter(|row| !row.is_live()) else { continue };
        let data = Transition::new(cause, row.status, row.awake_status, Some(id.clone()));
        let event = match row.awake_status {
            Status::Hibernating => RowEvent::Hibernated(data),
            _ => RowEvent::Activated(data),
        };
        events.push(D::event(name, event));
    }
}

fn owned<'a>(state: &'a State, id: &SessionId, user: Uuid) -> Result<&'a Session, Rejection> {
    let session = state.sessions.get(id).ok_or_else(|| Rejection::SessionNotFound(id.clone()))?;
    if session.user_id == user { Ok(session) } else { Err(Rejection::SessionOfAnotherUser(id.clone())) }
}

fn disconnected(id: &SessionId, epoch: u64, cause: StreamEnd) -> Event {
    about(id, Body::SessionDisconnected(SessionDisconnected { epoch, cause }))
}

fn about(id: &SessionId, body: Body) -> Event {
    Event { subject: Subject::Session(id.clone()), body }
}
