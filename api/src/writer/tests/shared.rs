//! Two processes on one log: who leads, and what one that was deposed still says.

use super::registry::{Registry, Waits, id, job, register};
use crate::writer::{Done, WriteError};
use mcpctl_events::{
    command::{Command, Revive},
    event::row::Cause,
    log::faulty::Fault,
    record::RecordKind::{Claim, Commit, Noop},
};
use std::time::Duration;
use uuid::Uuid;

fn ask(it: &mut Registry, llm: &str) -> Waits {
    it.ask(register("s", [llm.to_owned()]))
}

#[track_caller]
fn done(waits: &mut Waits) -> Done {
    waits.answer().expect("an answer").expect("it was done")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn nobody_claims_while_somebody_may_lead() {
    let (one, mut other) = Registry::two();
    assert!(one.is_leading());
    let before = one.kinds();
    for _ in 0..11 {
        other.hear_nothing();
        other.tick_after(ms(500));
    }
    assert_eq!(one.kinds(), before, "the most patient waits for six seconds");
    other.hear_nothing();
    other.tick_after(ms(500));
    other.hear_nothing();
    other.tick_after(ms(1));
    assert_eq!(one.kinds().last(), Some(&Claim));
}

#[test]
fn what_changes_nothing_waits_for_proof_that_this_one_still_leads() {
    let (mut one, _) = Registry::two();
    let mut first = ask(&mut one, "qwen");
    one.follow();
    done(&mut first);
    let [(message, mut same), (again, mut too)] = [(); 2].map(|()| job(register("s", ["qwen".to_owned()]), None));
    one.turn([message, again]);
    assert!(same.answer().is_none() && too.answer().is_none());
    assert_eq!(one.kinds()[one.kinds().len() - 2..], [Commit, Noop], "one proof is enough for both");
    one.follow();
    assert!(done(&mut same).events.is_empty() && done(&mut too).events.is_empty());
}

#[test]
fn what_was_proven_a_moment_ago_proves_nothing() {
    let (mut one, mut other) = Registry::two();
    one.log.log.plan([Some(Fault::Late)]);
    for _ in 0..14 {
        other.hear_nothing();
        other.tick_after(ms(500));
    }
    // The claim is under way, and the one that stood still is awake again.
    let mut before = ask(&mut one, "qwen");
    one.follow();
    done(&mut before);
    one.log.log.land_late().unwrap();
    other.follow();
    other.turn([]);
    other.follow();
    let mut elsewhere = ask(&mut other, "new");
    other.follow();
    done(&mut elsewhere);
    let mut same = ask(&mut one, "qwen");
    assert!(same.answer().is_none(), "it does not know of what was done elsewhere");
    one.follow();
    assert_eq!(same.answer(), Some(Err(WriteError::OutcomeUnknown)));
}

#[test]
fn a_sign_of_life_that_changes_nothing_leaves_nothing_on_the_log() {
    let (mut one, _) = Registry::two();
    let mut first = ask(&mut one, "qwen");
    one.follow();
    done(&mut first);
    let (user, cause) = (Uuid::from_u128(0xa), Cause::Heartbeat);
    let revive = || Command::Revive(Revive { session: id("s"), user, cause });
    let mut unsure = one.ask(revive());
    assert!(unsure.answer().is_none());
    assert_eq!(one.kinds().last(), Some(&Noop), "another one may lead");
    one.follow();
    done(&mut unsure);
    one.writer.desk().signed(one.times.uptime());
    let before = one.kinds();
    assert!(done(&mut one.ask(revive())).events.is_empty());
    assert_eq!(one.kinds(), before);
}

#[test]
fn who_was_deposed_while_it_stood_still_answers_nothing_from_what_it_knew() {
    let (mut one, mut other) = Registry::two();
    let mut before = ask(&mut one, "qwen");
    one.follow();
    done(&mut before);
    // What it appended last is on the log before the other's claim, and it has not read it.
    let mut unread = ask(&mut one, "gone");
    other.recover();
    assert!(other.is_leading() && one.is_leading());
    let (mut same, mut new) = (ask(&mut one, "gone"), ask(&mut one, "new"));
    one.follow();
    assert!(!done(&mut unread).events.is_empty(), "that is history");
    for waits in [&mut same, &mut new] {
        assert_eq!(waits.answer(), Some(Err(WriteError::OutcomeUnknown)));
    }
    assert!(!one.is_leading());
    other.follow();
    let mut again = ask(&mut other, "new");
    other.follow();
    assert!(!done(&mut again).events.is_empty(), "nothing of it was done");
}

#[test]
fn who_leads_hears_without_a_turn_of_the_writer_only_after_a_sign_of_life() {
    let (one, _) = Registry::two();
    let now = ms(60_000);
    assert!(one.writer.desk().settled(now).is_none());
    one.writer.desk().signed(now);
    assert!(one.writer.desk().settled(now + ms(1999)).is_some());
    assert!(one.writer.desk().settled(now + ms(2000)).is_none());
}
