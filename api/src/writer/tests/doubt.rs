//! What becomes of a command, and of the term, when an append goes wrong.

use super::registry::{Registry, Waits, job, key, register};
use crate::writer::{Done, Message, WriteError, stopping};
use mcpctl_events::{
    log::faulty::Fault,
    record::RecordKind::{self, Claim, Commit, Resign},
};
use std::time::Duration;
use tokio::sync::oneshot;

const TICK: Duration = Duration::from_millis(500);

fn ask(it: &mut Registry, llm: &str) -> Waits {
    it.ask(register("s", [llm.to_owned()]))
}

#[track_caller]
fn done(waits: &mut Waits) -> Done {
    waits.answer().expect("an answer").expect("it was done")
}

#[track_caller]
fn failed(waits: &mut Waits) -> WriteError {
    waits.answer().expect("an answer").expect_err("it failed")
}

#[track_caller]
fn assert_writes_again(it: &mut Registry) {
    it.recover();
    let mut waits = ask(it, "llm-again");
    it.follow();
    assert!(!done(&mut waits).events.is_empty());
}

#[test]
fn nothing_is_answered_before_it_was_read_back() {
    let mut it = Registry::elected();
    let (mut first, mut same) = (ask(&mut it, "qwen"), ask(&mut it, "qwen"));
    assert!(first.answer().is_none() && same.answer().is_none());
    it.follow();
    assert!(!done(&mut first).events.is_empty());
    assert!(done(&mut same).events.is_empty(), "nothing had to change, which is an answer that waits as well");
}

#[test]
fn what_was_not_written_is_said_to_be_so_and_can_be_done_later() {
    for (fault, reason) in [(Fault::NotWritten, "a planned fault"), (Fault::DiskFull, "is full")] {
        let mut it = Registry::elected();
        let before = it.kinds();
        it.log.log.plan([Some(fault)]);
        let WriteError::NoWriter(why) = failed(&mut ask(&mut it, "qwen")) else { panic!("{fault:?}") };
        assert!(why.contains(reason), "{why}");
        let WriteError::NoWriter(why) = failed(&mut ask(&mut it, "qwen")) else { panic!("{fault:?}") };
        assert!(why.contains(reason), "the next one is told as well: {why}");
        assert_eq!(it.kinds(), before);
        it.tick_after(Duration::from_millis(99));
        assert_eq!(it.kinds(), before, "it waits before it claims");
        it.tick_after(Duration::from_millis(1));
        assert_eq!(it.kinds().last(), Some(&RecordKind::Claim));
        assert_writes_again(&mut it);
    }
}

#[test]
fn claims_are_tried_more_and_more_rarely() {
    let mut it = Registry::new();
    it.log.log.plan([Some(Fault::DiskFull); 8]);
    it.writer.begin();
    let mut pauses = Vec::new();
    while !it.kinds().contains(&RecordKind::Claim) {
        let planned = it.log.log.planned();
        let mut pause = Duration::ZERO;
        while it.log.log.planned() == planned && !it.kinds().contains(&RecordKind::Claim) {
            pause += Duration::from_millis(100);
            it.tick_after(Duration::from_millis(100));
        }
        pauses.push(pause.as_millis());
    }
    assert_eq!(pauses, [100, 200, 500, 1000, 2000, 5000, 5000, 5000]);
}

#[test]
fn what_may_have_been_written_is_an_unknown_outcome_that_a_key_resolves() {
    for (fault, landed) in [(Fault::Unknown(0), false), (Fault::Unknown(1), true)] {
        let mut it = Registry::elected();
        let command = register("s", ["qwen".to_owned()]);
        it.log.log.plan([Some(fault)]);
        let (message, mut waits) = job(command.clone(), Some(key("one")));
        it.turn([message]);
        assert_eq!(failed(&mut waits), WriteError::OutcomeUnknown, "{fault:?}");
        it.recover();
        let (message, mut again) = job(command, Some(key("one")));
        it.turn([message]);
        it.follow();
        let done = done(&mut again);
        assert_eq!(done.repeat_of.is_some(), landed, "{fault:?}");
        assert_eq!(it.replica(|replica| replica.state.llms.iter().count()), 1);
    }
}

#[test]
fn a_record_that_does_not_come_back_is_doubted_after_five_seconds() {
    let mut it = Registry::elected();
    it.log.log.plan([Some(Fault::Lost)]);
    let mut waits = ask(&mut it, "qwen");
    it.tick_after(Duration::from_secs(5));
    it.follow();
    assert!(waits.answer().is_none() && it.is_leading(), "not yet");
    it.tick_after(TICK);
    assert_eq!(failed(&mut waits), WriteError::OutcomeUnknown);
    assert!(!it.is_leading());
    assert_writes_again(&mut it);
}

#[test]
fn a_claim_that_does_not_come_back_is_given_up() {
    let mut it = Registry::new();
    it.log.log.plan([Some(Fault::Lost)]);
    it.writer.begin();
    it.follow();
    assert!(it.kinds().is_empty());
    assert_writes_again(&mut it);
    assert_eq!(it.records()[0].header.term, 1);
}

#[test]
fn the_time_that_an_append_takes_is_no_doubt() {
    let mut it = Registry::elected();
    *it.log.an_append_takes.lock().unwrap() = Duration::from_mins(1);
    let mut waits = ask(&mut it, "qwen");
    *it.log.an_append_takes.lock().unwrap() = Duration::ZERO;
    it.tick_after(TICK);
    assert!(it.is_leading());
    it.follow();
    done(&mut waits);
}

#[test]
fn a_term_that_is_won_too_late_is_resigned_and_the_next_one_is_led() {
    let mut it = Registry::new();
    it.log.log.plan([Some(Fault::Late)]);
    it.writer.begin();
    it.tick_after(Duration::from_secs(6));
    it.log.log.land_late().unwrap();
    it.follow();
    assert!(!it.is_leading());
    it.turn([]);
    it.follow();
    assert_eq!(it.kinds()[..2], [Claim, Resign], "the writer's thread has appended it");
    assert_eq!(it.replica(|replica| replica.admission.holder), None);
    assert_writes_again(&mut it);
    assert_eq!(it.kinds()[2..], [Claim, Commit, Commit]);
}

#[test]
fn own_records_that_are_torn_or_doubled_end_the_term() {
    for fault in [Fault::Torn, Fault::Duplicated] {
        let mut it = Registry::elected();
        it.log.log.plan([Some(fault)]);
        let mut waits = ask(&mut it, "qwen");
        let mut behind = ask(&mut it, "llama");
        it.follow();
        assert!(!it.is_leading(), "{fault:?}");
        assert_eq!(failed(&mut behind), WriteError::OutcomeUnknown, "{fault:?}");
        match fault {
            Fault::Torn => assert_eq!(failed(&mut waits), WriteError::OutcomeUnknown),
            _ => drop(done(&mut waits)),
        }
        assert_writes_again(&mut it);
    }
}

#[test]
fn what_was_never_handed_to_the_log_is_known_not_to_be_on_it() {
    let mut it = Registry::elected();
    it.log.log.plan([Some(Fault::Duplicated)]);
    let mut written = ask(&mut it, "qwen");
    let (message, mut staged) = job(register("s", ["llama".to_owned()]), None);
    let Message::Command(job) = message else { unreachable!() };
    it.writer.desk().decide(*job, &it.writer.clock, &it.writer.leases);
    it.follow();
    done(&mut written);
    assert!(matches!(failed(&mut staged), WriteError::NoWriter(_)), "it was staged only");
}

#[test]
fn a_writer_that_stops_writes_what_waits_resigns_and_refuses_the_rest() {
    let mut it = Registry::elected();
    let (before, mut written) = job(register("s", ["qwen".to_owned()]), None);
    let (behind, mut refused) = job(register("s", ["llama".to_owned()]), None);
    let (stopped, _) = oneshot::channel();
    let ((other, _), (asked, mut sweep)) = (oneshot::channel(), oneshot::channel());
    let messages = [before, Message::Stop(stopped), behind, Message::Sweep(Some(asked)), Message::Stop(other)];
    assert!(it.turn(messages).is_some());
    assert_eq!(failed(&mut refused), stopping());
    assert_eq!(sweep.try_recv(), Ok(Err(stopping())));
    it.follow();
    done(&mut written);
    assert_eq!(it.kinds().last(), Some(&RecordKind::Resign));
    assert_eq!(it.replica(|replica| replica.admission.holder), None);
}
