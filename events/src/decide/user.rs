//! What users may do besides what the roles of their tokens allow.

use crate::{
    command::GrantTo,
    event::{
        Body, Event, Subject,
        user::{Granted, Withdrawn},
    },
    name::Name,
    rejection::Rejection,
    state::State,
};
use uuid::Uuid;

/// Each request looks through its user's grants.
const MAX_GRANTS: usize = 1000;

pub(super) fn grant(state: &State, command: &GrantTo) -> Result<Vec<Event>, Rejection> {
    let user_id = user(state, &command.user)?;
    let grants = state.grants.get(&command.user);
    if grants.is_some_and(|grants| grants.contains_key(&command.grant)) {
        return Ok(Vec::new());
    }
    if grants.is_some_and(|grants| grants.len() >= MAX_GRANTS) {
        return Err(Rejection::TooManyGrants { user: command.user.clone(), limit: MAX_GRANTS });
    }
    let data = Granted { user_id, grant: command.grant.clone() };
    Ok(vec![Event { subject: Subject::User(command.user.clone()), body: Body::Granted(data) }])
}

pub(super) fn withdraw(state: &State, command: &GrantTo) -> Result<Vec<Event>, Rejection> {
    let GrantTo { user: name, grant } = command;
    let user_id = user(state, name)?;
    if !state.grants.get(name).is_some_and(|grants| grants.contains_key(grant)) {
        return Err(Rejection::GrantNotFound { user: name.clone(), grant: grant.clone() });
    }
    let data = Withdrawn { user_id, grant: grant.clone() };
    Ok(vec![Event { subject: Subject::User(name.clone()), body: Body::Withdrawn(data) }])
}

fn user(state: &State, name: &Name) -> Result<Uuid, Rejection> {
    state.users.get(name).copied().ok_or_else(|| Rejection::UserNotFound(name.clone()))
}
