//! Tokens.

use crate::{
    command::IssueToken,
    event::{Body, Event, Subject, token::TokenIssued},
    state::State,
};

pub(super) fn issue(state: &State, command: &IssueToken) -> Vec<Event> {
    let same = |token: &crate::state::Token| {
        (&token.name, &token.user, token.role, token.expires_at)
            == (&command.name, &command.user, command.role, command.expires_at)
    };
    if state.tokens.get(&command.sha256).is_some_and(same) {
        return Vec::new();
    }
    let data = TokenIssued {
        id: command.id,
        user_id: state.users.get(&command.user).copied().unwrap_or(command.user_id),
        user: command.user.clone(),
        role: command.role,
        sha256: command.sha256,
        expires_at: command.expires_at,
    };
    vec![Event { subject: Subject::Token(command.name.clone()), body: Body::TokenIssued(data) }]
}
