//! What users are granted.

use super::{
    ask::{issue, name},
    given::Given,
};
use crate::{
    access::{Grant, Kind, Verb},
    command::{Command, GrantTo},
};

fn grant_to(user: &str, resource: &str) -> GrantTo {
    GrantTo { user: name(user), grant: Grant::parse("run", resource).unwrap() }
}

fn grant(user: &str, resource: &str) -> Command {
    Command::Grant(grant_to(user, resource))
}

#[test]
fn a_user_is_granted_something_once() {
    let may = |it: &Given, agent: &str| {
        it.state
            .grants
            .get("ann")
            .is_some_and(|grants| grants.keys().any(|grant| grant.allows(Verb::Run, Kind::Agent, Some(agent))))
    };
    Given::new()
        .given(issue("laptop", "ann", "secret"))
        .when(grant("ann", "agent/local-*"))
        .then(&["user/ann granted"])
        .once_is_enough()
        .and(|it| assert!(may(it, "local-coder") && !may(it, "coder")))
        .when(Command::Withdraw(grant_to("ann", "agent/local-*")))
        .then(&["user/ann withdrawn"])
        .and(|it| assert!(it.state.grants.is_empty()))
        .when(Command::Withdraw(grant_to("ann", "agent/local-*")))
        .refused("user 'ann' has no grant `run agent/local-*`; `mcpctl auth grants` lists what there is");
}

#[test]
fn nobody_is_granted_anything_who_is_not_there() {
    let refused = "User not found: bob; a user is made with the first token of that name: mcpctl token create --name bob --role viewer";
    Given::new().when(grant("bob", "agent/x")).refused(refused);
}

#[test]
fn a_user_has_so_many_grants_and_no_more() {
    let mut given = Given::new().given(issue("laptop", "ann", "secret"));
    for number in 0..1000 {
        given = given.given(grant("ann", &format!("agent/a{number}")));
    }
    given
        .when(grant("ann", "agent/one-more"))
        .refused("user 'ann' has 1000 grants, the most there may be; a glob grants many names at once");
}
