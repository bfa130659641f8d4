//! Mass changes are cut into records.

use super::{
    ask::{BOOT, ann, close_boots, connect, connect_to, deactivate, disconnect, expire, register, revive},
    given::Given,
};
use crate::{command::Command, record::MAX_EVENTS_OF_A_MASS_CHANGE as MOST};
use uuid::Uuid;

const ROWS: usize = 2 * 600;

/// A session with 600 Llms and as many agents.
fn huge() -> Given {
    let declaration =
        (0..600).fold(register("s"), |it, n| it.llm(&format!("llm-{n}")).agent(&format!("a-{n}"), "llm-0"));
    Given::new().given(declaration)
}

/// Asks until nothing is left to do; how many events each record had.
fn sizes(mut it: Given, command: &Command) -> (Given, Vec<usize>) {
    let mut sizes = Vec::new();
    loop {
        it = it.when(command.clone());
        if it.events().is_empty() {
            return (it, sizes);
        }
        sizes.push(it.events().len());
    }
}

#[test]
fn expiry_and_revival_go_on_record_by_record() {
    let (it, expired) = sizes(huge(), &expire("s"));
    assert_eq!(expired, [MOST, MOST, ROWS - 2 * MOST]);
    let (it, revived) = sizes(it, &revive("s", &ann()));
    assert_eq!(revived, [MOST, MOST, ROWS - 2 * MOST]);
    assert!(it.state.llms.iter().all(|row| row.is_live()) && it.state.agents.iter().all(|row| row.is_live()));
}

#[test]
fn a_lost_stream_and_its_return_go_on_record_by_record() {
    let (it, left) = sizes(huge().given(connect("s")).given(disconnect("s", 1)), &deactivate("s", 1));
    assert_eq!(left, [MOST, MOST, ROWS - 2 * MOST]);
    let it = it.when(connect("s"));
    assert_eq!(it.events().len(), MOST, "the stream itself is one of them");
    let (_, rest) = sizes(it, &revive("s", &ann()));
    assert_eq!(rest.iter().sum::<usize>(), ROWS + 1 - MOST);
    assert!(rest.iter().all(|size| *size <= MOST));
}

#[test]
fn a_boot_closes_sessions_record_by_record() {
    let mut it = Given::new();
    for number in 0..MOST + 7 {
        let session = format!("s{number}");
        it = it.given(register(&session).llm(&format!("llm-{number}")));
        it = it.given(connect_to(&session, &ann(), "http://one", BOOT));
    }
    let (_, closed) = sizes(it, &close_boots(Some("http://one"), Uuid::from_u128(9)));
    assert_eq!(closed, [MOST, 7]);
}
