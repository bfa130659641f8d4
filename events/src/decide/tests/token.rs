//! Tokens.

use super::{ask::issue, given::Given};
use crate::hash::Hash;

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
