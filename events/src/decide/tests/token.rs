//! Tokens.

use super::{
    ask::{issue, issue_new, name},
    given::Given,
};
use crate::{command::Command, event::token::Role, hash::Hash};

#[test]
fn a_token_is_made_once() {
    Given::new().when(issue("laptop", "ann", "secret")).then(&["token/laptop issued"]).once_is_enough().and(|it| {
        let token = it.state.token("laptop").unwrap();
        assert_eq!((token.sha256, token.user.as_str()), (Hash::of(b"secret"), "ann"));
        assert_eq!(it.state.users.get("ann"), Some(&token.user_id));
    });
}

#[test]
fn a_token_made_anew_replaces_the_one_before() {
    Given::new().given(issue("laptop", "ann", "old")).given(issue("laptop", "ann", "new")).and(|it| {
        assert_eq!(it.state.tokens.len(), 1);
        assert!(it.state.tokens.contains_key(&Hash::of(b"new")));
    });
}

#[test]
fn a_user_keeps_its_id_through_all_tokens() {
    Given::new().given(issue("laptop", "ann", "one")).given(issue("desktop", "ann", "two")).and(|it| {
        let id = |token: &str| it.state.token(token).unwrap().user_id;
        assert_eq!(id("laptop"), id("desktop"));
    });
}

#[test]
fn a_new_token_takes_no_name_that_another_has() {
    Given::new()
        .given(issue_new("ci", Role::Viewer))
        .when(issue_new("ci", Role::Admin))
        .refused("Token 'ci' already exists");
}

#[test]
fn a_token_is_revoked_once_and_its_name_is_free_then() {
    let revoke = |token: &str| Command::RevokeToken(name(token));
    Given::new()
        .when(revoke("ci"))
        .refused("Token not found: ci")
        .given(issue_new("ci", Role::Viewer))
        .when(revoke("ci"))
        .then(&["token/ci revoked"])
        .and(|it| assert!(it.state.tokens.is_empty()))
        .when(issue_new("ci", Role::Viewer))
        .then(&["token/ci issued"]);
}

#[test]
fn the_last_admin_stays() {
    let revoke = |token: &str| Command::RevokeToken(name(token));
    let last = "Token 'root' is the last one with role admin that does not end; make another one first";
    Given::new()
        .given(issue_new("root", Role::Admin))
        .given(issue_new("guest", Role::Editor))
        .when(revoke("root"))
        .refused(last)
        .given(issue_new("spare", Role::Admin))
        .when(revoke("root"))
        .then(&["token/root revoked"]);
}
