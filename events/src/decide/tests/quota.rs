//! How many rows there may be.

use super::{
    ask::{bob, create_document, create_llm, expire, name, public_llm, register},
    given::Given,
};
use crate::{command::Command, decide::Quotas, definition::document::ProjectDefinition};

fn limited(rows_per_session: usize, rows_per_user: usize) -> Given {
    let mut given = Given::new();
    given.quotas = Quotas { rows_per_session, rows_per_user };
    given
}

#[test]
fn a_session_has_so_many_rows_and_no_more() {
    let refused =
        "the session would have 3 rows, more than the 2 that --max-rows-per-session allows; delete some, or raise it";
    limited(2, 10)
        .given(register("s").llm("one").llm("two"))
        .when(register("s").llm("one").llm("two").agent("a", "one"))
        .refused(refused)
        .when(register("s").llm("one").llm("three"))
        .then(&["llm/three registered (registered) →active", "llm/two deactivated (withdrawn) active→inactive"]);
}

#[test]
fn rows_that_are_adopted_count_too() {
    limited(2, 10)
        .given(register("s").llm("one").llm("two"))
        .given(register("s").llm("three"))
        .given(register("t").llm("one").llm("two"))
        .when(register("t").llm("one").llm("two").llm("three"))
        .refused("Virtual Llm 'three' is already active under a different session; publish it under another name, and give both the same `poolName` if they serve the same model")
        .given(expire("s"))
        .when(register("t").llm("one").llm("two").llm("three"))
        .refused("the session would have 3 rows, more than the 2 that --max-rows-per-session allows; delete some, or raise it");
}

#[test]
fn a_user_owns_so_many_rows_of_all_kinds_and_no_more() {
    let refused =
        "the user would have 3 rows, more than the 2 that --max-rows-per-user allows; delete some, or raise it";
    let project = |project: &str| create_document(project, ProjectDefinition::default());
    limited(10, 2)
        .given(create_llm("public", public_llm()))
        .given(project("apollo"))
        .when(project("gemini"))
        .refused(refused)
        .when(create_llm("other", public_llm()))
        .refused(refused)
        .given(register("s").llm("one").llm("two"))
        .when(register("t").by(bob()).llm("three"))
        .refused(refused)
        .given(Command::DeleteProject(name("apollo")))
        .given(register("t").by(bob()).llm("three"))
        .when(register("t").by(bob()).llm("three"))
        .then(&[]);
}

#[test]
fn what_is_there_stays_when_the_limits_shrink() {
    let mut given = limited(10, 10).given(register("s").llm("one").llm("two"));
    given.quotas = Quotas { rows_per_session: 1, rows_per_user: 1 };
    given
        .when(register("s").llm("one").llm("two"))
        .then(&[])
        .when(register("s").llm("one"))
        .then(&["llm/two deactivated (withdrawn) active→inactive"]);
}
