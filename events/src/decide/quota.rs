//! How much there may be of what a session or a user has. It is looked at where rows come, not where they stay: a server
//! with smaller limits than before keeps what there is.

use crate::{
    command::Command,
    event::{
        Body, Event,
        document::DocumentEvent,
        row::{Cause, RowEvent},
    },
    rejection::Rejection,
    state::State,
};
use uuid::Uuid;

/// The limits of the server that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Llms and agents that one session may publish.
    pub rows_per_session: usize,
    /// Llms, agents, projects, personalities and prompts that one user may own.
    pub rows_per_user: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self::NONE
    }
}

impl Quotas {
    /// No limits.
    pub const NONE: Self = Self { rows_per_session: usize::MAX, rows_per_user: usize::MAX };
}

/// Refuses what a command would bring, if that is more than there may be.
pub(super) fn check(state: &State, command: &Command, events: &[Event], quotas: Quotas) -> Result<(), Rejection> {
    let coming = || events.iter().filter_map(|event| owner_of_new(&event.body));
    if let Command::Register(register) = command {
        let (found, limit) = (register.providers.len() + register.agents.len(), quotas.rows_per_session);
        let grows = || coming().next().is_some() || events.iter().any(|event| is_adopted(&event.body));
        if found > limit && grows() {
            return Err(Rejection::TooManyRows { of: "session", found, limit, flag: "--max-rows-per-session" });
        }
    }
    let Some(owner) = coming().next() else { return Ok(()) };
    let (found, limit) = (state.rows_of(owner) + coming().count(), quotas.rows_per_user);
    if found > limit {
        return Err(Rejection::TooManyRows { of: "user", found, limit, flag: "--max-rows-per-user" });
    }
    Ok(())
}

/// Whether a session takes a row that another one had.
fn is_adopted(body: &Body) -> bool {
    fn of_row<D>(event: &RowEvent<D>) -> bool {
        matches!(event, RowEvent::Activated(data) | RowEvent::Hibernated(data) if data.cause == Cause::Adopted)
    }
    match body {
        Body::Llm(event) => of_row(event),
        Body::Agent(event) => of_row(event),
        _ => false,
    }
}

fn owner_of_new(body: &Body) -> Option<Uuid> {
    fn of_row<D>(event: &RowEvent<D>) -> Option<Uuid> {
        match event {
            RowEvent::Registered(data) | RowEvent::Restored(data) | RowEvent::Created(data) => Some(data.owner_id),
            _ => None,
        }
    }
    fn of_document<D>(event: &DocumentEvent<D>) -> Option<Uuid> {
        if let DocumentEvent::Created(data) = event { Some(data.owner_id) } else { None }
    }
    match body {
        Body::Llm(event) => of_row(event),
        Body::Agent(event) => of_row(event),
        Body::Project(event) => of_document(event),
        Body::Personality(event) => of_document(event),
        Body::Prompt(event) => of_document(event),
        _ => None,
    }
}
