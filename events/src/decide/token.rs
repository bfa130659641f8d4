//! Tokens.

use crate::{
    command::IssueToken,
    event::{
        Body, Event, Subject,
        token::{Role, TokenIssued, TokenRevoked},
    },
    name::Name,
    rejection::Rejection,
    state::State,
};

const TITLE: &str = "Token";

pub(super) fn issue(state: &State, command: &IssueToken) -> Result<Vec<Event>, Rejection> {
    let same = |token: &crate::state::Token| {
        (&token.name, &token.user, token.role, token.expires_at)
            == (&command.name, &command.user, command.role, command.expires_at)
    };
    if state.tokens.get(&command.sha256).is_some_and(same) {
        return Ok(Vec::new());
    }
    if !command.replaces && state.token(command.name.as_str()).is_some() {
        return Err(Rejection::NameTaken { title: TITLE, name: command.name.clone() });
    }
    let data = TokenIssued {
        id: command.id,
        user_id: state.users.get(&command.user).copied().unwrap_or(command.user_id),
        user: command.user.clone(),
        role: command.role,
        sha256: command.sha256,
        expires_at: command.expires_at,
    };
    Ok(vec![Event { subject: Subject::Token(command.name.clone()), body: Body::TokenIssued(data) }])
}

/// Nobody could make another token if the last one of an admin were gone.
pub(super) fn revoke(state: &State, name: &Name) -> Result<Vec<Event>, Rejection> {
    let token = state.token(name.as_str());
    let token = token.ok_or_else(|| Rejection::DocumentNotFound { title: TITLE, name: name.clone() })?;
    // One that ends is none that is left when it has ended.
    let works = |other: &&crate::state::Token| other.expires_at.is_none();
    let is_other_admin = |other: &&crate::state::Token| other.role == Role::Admin && other.id != token.id;
    if token.role == Role::Admin && !state.tokens.values().filter(works).any(|other| is_other_admin(&other)) {
        return Err(Rejection::LastAdmin(name.clone()));
    }
    let data = TokenRevoked { id: token.id };
    Ok(vec![Event { subject: Subject::Token(name.clone()), body: Body::TokenRevoked(data) }])
}
