//! A sweep goes on between the writer's other work.

use super::registry::{HEARTBEAT_TIMEOUT, RETENTION, Registry, job, register};
use crate::writer::{
    Message, SweepReport, WriteError,
    in_flight::{Appending, Waiting},
};
use mcpctl_events::{
    event::Body,
    log::{EventLog, faulty::Fault},
};
use std::time::Duration;
use tokio::sync::oneshot;

type Report = oneshot::Receiver<Result<SweepReport, WriteError>>;

const LLMS: usize = 2500;

fn gc() -> (Message, Report) {
    let (answer, report) = oneshot::channel();
    (Message::Sweep(Some(answer)), report)
}

/// Sweeps to the end.
fn sweep(it: &mut Registry) -> SweepReport {
    let (message, mut report) = gc();
    it.turn([message]);
    while it.writer.sweeper.is_sweeping() {
        it.turn([]);
    }
    it.follow();
    report.try_recv().unwrap().unwrap()
}

/// Sessions with Llms, which were inactive for longer than they are kept.
fn overdue() -> Registry {
    overdue_of(5, LLMS / 5)
}

fn overdue_of(sessions: usize, each: usize) -> Registry {
    let mut it = Registry::elected();
    for session in 0..sessions {
        let llms = (0..each).map(|number| format!("llm-{session}-{number}"));
        it.ask(register(&format!("s{session}"), llms));
    }
    it.follow();
    it.wait(HEARTBEAT_TIMEOUT + Duration::from_secs(1));
    assert_eq!(sweep(&mut it).marked_inactive, sessions * each);
    it.wait(RETENTION);
    it
}

fn llms(it: &Registry) -> usize {
    it.replica(|replica| replica.state.llms.iter().count())
}

#[test]
fn a_write_does_not_wait_for_a_sweep_to_end() {
    let mut it = overdue();
    let (message, mut report) = gc();
    it.turn([message]);
    let mut waits = it.ask(register("new", ["qwen".to_owned()]));
    it.follow();
    assert!(!waits.answer().unwrap().unwrap().events.is_empty());
    assert!(it.writer.sweeper.is_sweeping() && report.try_recv().is_err(), "the sweep goes on");
    while it.writer.sweeper.is_sweeping() {
        it.turn([]);
    }
    assert!(report.try_recv().is_err(), "not read back yet");
    it.follow();
    assert_eq!(report.try_recv().unwrap().unwrap().deleted, LLMS);
    assert_eq!(llms(&it), 1);
}

#[test]
fn who_asks_during_a_sweep_gets_one_of_its_own() {
    let mut it = overdue();
    let (message, mut first) = gc();
    it.turn([message]);
    let ((one, mut second), (other, mut third)) = (gc(), gc());
    it.turn([one, other]);
    while it.writer.sweeper.is_sweeping() {
        it.turn([]);
    }
    it.follow();
    assert_eq!(first.try_recv().unwrap().unwrap().deleted, LLMS);
    assert_eq!(second.try_recv().unwrap().unwrap(), SweepReport::default());
    assert_eq!(third.try_recv().unwrap().unwrap(), SweepReport::default());
}

#[test]
fn a_sweep_ends_with_the_term_and_says_why() {
    let mut it = overdue();
    let (message, mut report) = gc();
    it.log.log.plan([None, Some(Fault::DiskFull)]);
    it.turn([message]);
    let (behind, mut next) = gc();
    it.turn([behind]);
    it.turn([]);
    assert!(!it.writer.sweeper.is_sweeping());
    for report in [&mut report, &mut next] {
        let Ok(Err(WriteError::NoWriter(why))) = report.try_recv() else { panic!("{report:?}") };
        assert!(why.contains("is full"), "{why}");
    }
    let (message, mut refused) = gc();
    it.turn([message]);
    let Ok(Err(WriteError::NoWriter(why))) = refused.try_recv() else { panic!("{refused:?}") };
    assert!(why.contains("is full"), "{why}");
    it.recover();
    assert!(sweep(&mut it).deleted > 0, "what is left");
    assert_eq!(llms(&it), 0);
}

#[test]
fn a_session_that_is_heard_before_its_turn_stays() {
    let mut it = Registry::elected();
    for session in 0..3 {
        it.ask(register(&format!("s{session}"), (0..600).map(|number| format!("llm-{session}-{number}"))));
    }
    it.follow();
    it.wait(HEARTBEAT_TIMEOUT + Duration::from_secs(1));
    let (message, mut report) = gc();
    it.turn([message]);
    let last = super::registry::id("s2");
    it.writer.leases.renew(&last, it.writer.clock.uptime(), it.writer.clock.now());
    while it.writer.sweeper.is_sweeping() {
        it.turn([]);
    }
    it.follow();
    assert_eq!(report.try_recv().unwrap().unwrap().marked_inactive, 1200);
}

#[test]
fn the_log_tells_of_a_suspension_its_extension_and_its_end() {
    let mut it = Registry::elected();
    for session in 0..12 {
        it.ask(register(&format!("s{session}"), [format!("llm-{session}")]));
    }
    it.follow();
    it.wait(HEARTBEAT_TIMEOUT + Duration::from_secs(1));
    assert_eq!(sweep(&mut it).marked_inactive, 0, "all at once: a fault of ours?");
    it.times.set_wall_by(Duration::from_hours(1));
    sweep(&mut it);
    it.wait(HEARTBEAT_TIMEOUT);
    assert_eq!(sweep(&mut it).marked_inactive, 12);
    let told = it.records().into_iter().flat_map(|record| record.events).filter_map(|event| match event.body {
        Body::ExpirySuspended(suspended) => Some(suspended.reason),
        Body::ExpiryResumed(_) => Some("resumed".to_owned()),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["mass_silence", "clock_step", "resumed"]);
}

#[test]
fn a_command_of_the_same_turn_is_decided_before_the_sweep() {
    let mut it = overdue();
    let (message, mut report) = gc();
    let (back, mut waits) = job(register("s0", ["llm-0-0".to_owned()]), None);
    it.turn([message, back]);
    while it.writer.sweeper.is_sweeping() {
        it.turn([]);
    }
    it.follow();
    assert!(waits.answer().unwrap().is_ok());
    assert_eq!(report.try_recv().unwrap().unwrap().deleted, LLMS - 1);
}

#[test]
fn a_server_that_stood_still_expires_nobody_for_it() {
    let mut it = Registry::elected();
    it.ask(register("s", ["qwen".to_owned()]));
    it.follow();
    it.wait(Duration::from_mins(1));
    it.times.pass(HEARTBEAT_TIMEOUT);
    assert_eq!(sweep(&mut it).marked_inactive, 0, "nobody could be heard");
    it.wait(HEARTBEAT_TIMEOUT);
    assert_eq!(sweep(&mut it).marked_inactive, 0, "a full lease");
    it.wait(Duration::from_secs(1));
    assert_eq!(sweep(&mut it).marked_inactive, 1);
}

#[test]
fn an_append_that_takes_long_is_a_standstill_too() {
    let mut it = Registry::elected();
    it.ask(register("s", ["qwen".to_owned()]));
    it.follow();
    it.wait(Duration::from_mins(1));
    *it.log.an_append_takes.lock().unwrap() = HEARTBEAT_TIMEOUT;
    it.ask(register("t", ["llama".to_owned()]));
    *it.log.an_append_takes.lock().unwrap() = Duration::ZERO;
    it.follow();
    assert_eq!(sweep(&mut it).marked_inactive, 0);
}

#[test]
fn what_a_sweep_staged_in_a_term_that_is_over_is_not_reported() {
    for recovers in [false, true] {
        // So many that nothing is left to delete after two slices.
        let mut it = overdue_of(3, 333);
        let (message, mut report) = gc();
        it.log.log.plan([None, Some(Fault::DiskFull)]);
        it.turn([message]);
        it.follow();
        it.turn([]);
        assert!(it.writer.sweeper.is_sweeping(), "only the list of what was kept is left");
        if recovers {
            it.writer.desk().claim(&it.replica(|replica| replica.admission.clone()), &it.writer.clock);
            let claim = it.writer.desk().take_outgoing();
            it.log.append(&claim).unwrap();
            it.follow();
        }
        it.turn([]);
        it.follow();
        let answer = report.try_recv().unwrap();
        assert!(answer.is_err(), "{recovers}: {answer:?}");
    }
}

#[test]
fn who_waits_for_a_sweep_is_not_told_of_what_the_end_of_the_term_took_with_it() {
    let it = Registry::elected();
    let (answer, mut waits) = oneshot::channel();
    it.writer.desk().doubt("another one leads", Appending::Unknown, Duration::ZERO);
    it.writer.desk().answer_later(Waiting::Sweep(answer, SweepReport::default()), &it.writer.clock);
    assert_eq!(waits.try_recv().unwrap(), Err(WriteError::OutcomeUnknown));
}
