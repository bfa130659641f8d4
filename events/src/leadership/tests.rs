use super::*;
use crate::{event::registry::ExpiryResumed, name::Name};

/// One process and the log that it shares with whoever `land` speaks for.
#[derive(Default)]
struct Given {
    me: Leadership,
    admitted: Admission,
    ids: u128,
}

impl Given {
    /// A process that leads, with its opening commit read back.
    fn leader() -> Self {
        let mut given = Self::default();
        let claim = given.claim();
        assert!(matches!(given.land(&claim), Observation::Elected(_)));
        let opening = given.open();
        assert_eq!(given.land(&opening.bytes), Observation::Admitted { hash: opening.hash });
        given
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn stamp(&mut self) -> Stamp {
        let actor = Actor::System(Name::parse("writer").unwrap());
        Stamp { command_id: self.id(), decided_at: LogTime::default(), actor }
    }

    fn claim(&mut self) -> Bytes {
        let (log_id, writer, stamp) = (self.id(), self.id(), self.stamp());
        self.me.claim(&self.admitted, log_id, writer, stamp).unwrap()
    }

    fn open(&mut self) -> Staged {
        let stamp = self.stamp();
        self.me.open("http://me".to_owned(), stamp).unwrap()
    }

    fn draft(&mut self, events: usize) -> Draft {
        let body = Body::ExpiryResumed(ExpiryResumed { sweep_id: self.id() });
        let event = Event { subject: Subject::Registry(self.id()), body };
        Draft { stamp: self.stamp(), idempotency: None, events: vec![event; events] }
    }

    fn stage(&mut self, events: usize) -> Staged {
        let draft = self.draft(events);
        self.me.stage(draft).unwrap()
    }

    fn land(&mut self, bytes: &Bytes) -> Observation {
        let (header, hash) = (Header::decode(bytes), Hash::of(bytes));
        let verdict = self.admitted.admit(header.as_ref(), hash);
        self.me.observe(header.as_ref(), hash, verdict, &self.admitted)
    }

    /// A claim of another process, made with what is admitted now.
    fn foreign_claim(&mut self) -> Bytes {
        let mut other = Leadership::default();
        let (log_id, writer, stamp) = (self.id(), self.id(), self.stamp());
        other.claim(&self.admitted, log_id, writer, stamp).unwrap()
    }
}

#[test]
fn leads_after_its_claim_was_read_back_and_opened() {
    let mut given = Given::default();
    let claim = given.claim();
    assert!(given.me.is_claiming());
    assert!(matches!(given.land(&claim), Observation::Elected(tenure) if tenure.term == 1));
    let early = given.draft(1);
    assert_eq!(given.me.stage(early), Err(StageError::NotLeading));
    given.open();
    assert!(given.me.is_leading());
    let stamp = given.stamp();
    assert_eq!(given.me.open(String::new(), stamp), Err(StageError::NotLeading), "opens once");
}

#[test]
fn the_opening_commit_is_writer_elected() {
    let mut given = Given::default();
    let claim = given.claim();
    given.land(&claim);
    let opening = Record::decode(&given.open().bytes).unwrap();
    let tenure = given.me.tenure().unwrap();
    let Body::WriterElected(elected) = &opening.events[0].body else { panic!("{opening:?}") };
    assert_eq!((elected.term, elected.writer), (tenure.term, tenure.writer));
}

#[test]
fn stages_a_chain_and_acknowledges_in_order() {
    let mut given = Given::leader();
    let (first, second) = (given.stage(2), given.stage(3));
    assert_eq!((first.first_sequence, first.last_sequence), (2, 3));
    assert_eq!((second.first_sequence, second.last_sequence), (4, 6));
    assert_eq!(Header::decode(&second.bytes).unwrap().prev_hash, first.hash);
    assert_eq!(given.me.in_flight(), 2);
    assert_eq!(given.land(&first.bytes), Observation::Admitted { hash: first.hash });
    assert_eq!(given.land(&second.bytes), Observation::Admitted { hash: second.hash });
    assert_eq!(given.admitted.last_sequence, 6);
}

#[test]
fn a_record_that_is_too_large_leaves_no_trace() {
    let mut given = Given::leader();
    let huge = given.draft(10_000);
    assert!(matches!(given.me.stage(huge), Err(StageError::TooLarge { .. })));
    let empty = given.draft(0);
    assert_eq!(given.me.stage(empty), Err(StageError::NoEvents));
    assert_eq!((given.me.in_flight(), given.me.staged_sequence()), (0, Some(1)));
    let next = given.stage(1);
    assert_eq!(given.land(&next.bytes), Observation::Admitted { hash: next.hash });
}

#[test]
fn claims_as_a_follower_only() {
    let mut given = Given::default();
    given.claim();
    let stamp = given.stamp();
    assert_eq!(given.me.claim(&Admission::default(), Uuid::nil(), Uuid::nil(), stamp.clone()), None);
    let mut leader = Given::leader();
    assert_eq!(leader.me.claim(&leader.admitted, Uuid::nil(), Uuid::nil(), stamp), None);
}

#[test]
fn steps_down_when_its_claim_lost() {
    let mut given = Given::default();
    let own = given.claim();
    let theirs = given.foreign_claim();
    assert_eq!(given.land(&theirs), Observation::SteppedDown(StepDown::ClaimLost));
    assert_eq!(given.land(&own), Observation::Nothing);
    assert!(given.me.is_following());
}

#[test]
fn a_claim_of_a_log_that_another_named_first_is_lost() {
    let mut given = Given::default();
    let theirs = given.foreign_claim();
    let own = given.claim();
    assert_eq!(given.land(&theirs), Observation::SteppedDown(StepDown::ClaimLost));
    assert_eq!(given.land(&own), Observation::Nothing);
    let again = given.claim();
    assert!(matches!(given.land(&again), Observation::Elected(tenure) if Some(tenure.log_id) == given.admitted.log_id));
}

#[test]
fn steps_down_when_another_is_elected() {
    let mut given = Given::leader();
    let late = given.stage(1);
    let theirs = given.foreign_claim();
    assert_eq!(given.land(&theirs), Observation::SteppedDown(StepDown::Superseded));
    assert_eq!(given.land(&late.bytes), Observation::Nothing);
    assert_eq!(given.admitted.last_sequence, 1, "what comes after the other's claim is no history");
}

#[test]
fn steps_down_when_a_commit_of_its_own_is_missing() {
    let mut given = Given::leader();
    let (_lost, landed) = (given.stage(1), given.stage(1));
    let rejected = StepDown::OwnRejected(Rejected::OutOfSequence);
    assert_eq!(given.land(&landed.bytes), Observation::SteppedDown(rejected));
    assert_eq!(given.me.in_flight(), 0);
}

#[test]
fn steps_down_when_a_barrier_overtakes_a_commit() {
    let mut given = Given::leader();
    let late = given.stage(1);
    let stamp = given.stamp();
    let barrier = given.me.noop(stamp).unwrap();
    assert_eq!(given.land(&barrier.bytes), Observation::SteppedDown(StepDown::OwnMissing));
    assert_eq!(given.land(&late.bytes), Observation::Nothing, "admitted, but its outcome was given as unknown");
    assert_eq!(given.admitted.last_sequence, 2);
}

#[test]
fn a_barrier_is_acknowledged_and_moves_nothing() {
    let mut given = Given::leader();
    let stamp = given.stamp();
    let barrier = given.me.noop(stamp).unwrap();
    let next = given.stage(1);
    assert_eq!(given.land(&barrier.bytes), Observation::Admitted { hash: barrier.hash });
    assert_eq!(given.land(&next.bytes), Observation::Admitted { hash: next.hash });
}

#[test]
fn steps_down_at_a_copy_of_its_own() {
    let mut given = Given::leader();
    let commit = given.stage(1);
    given.land(&commit.bytes);
    let rejected = StepDown::OwnRejected(Rejected::OutOfSequence);
    assert_eq!(given.land(&commit.bytes), Observation::SteppedDown(rejected));
}

#[test]
fn steps_down_at_a_later_term_that_nobody_claimed() {
    let mut given = Given::leader();
    let mut ahead = given.admitted.clone();
    ahead.term += 3;
    let mut other = Leadership::default();
    let (writer, stamp) = (given.id(), given.stamp());
    let claim = other.claim(&ahead, writer, writer, stamp).unwrap();
    assert_eq!(given.land(&claim), Observation::SteppedDown(StepDown::LaterTerm));
}

#[test]
fn after_doubt_it_only_claims_anew_and_chains_from_what_is_admitted() {
    let mut given = Given::leader();
    let (landed, lost) = (given.stage(1), given.stage(1));
    given.me.step_down();
    let draft = given.draft(1);
    assert_eq!(given.me.stage(draft), Err(StageError::NotLeading));
    assert_eq!(given.land(&landed.bytes), Observation::Nothing);
    let claim = given.claim();
    assert!(matches!(given.land(&claim), Observation::Elected(tenure) if tenure.term == 2));
    assert_eq!(given.land(&lost.bytes), Observation::Nothing);
    let opening = given.open();
    assert_eq!(opening.first_sequence, 3);
    assert_eq!(Header::decode(&opening.bytes).unwrap().prev_hash, landed.hash);
    assert_eq!(given.land(&opening.bytes), Observation::Admitted { hash: opening.hash });
}

#[test]
fn resigns_a_claim_that_it_had_given_up_on() {
    let mut given = Given::default();
    let late = given.claim();
    given.me.step_down();
    let newer = given.claim();
    let Observation::MustResign(tenure) = given.land(&late) else { panic!("it won") };
    assert!(given.me.is_following(), "its newer claim has lost");
    assert_eq!(given.land(&newer), Observation::Nothing);
    let stamp = given.stamp();
    let resignation = Leadership::resignation(tenure, &given.admitted, stamp);
    assert_eq!(given.land(&resignation), Observation::Nothing);
    assert_eq!((given.admitted.holder, given.admitted.term), (None, 1));
}

#[test]
fn forgets_a_given_up_claim_that_cannot_win_any_more() {
    let mut given = Given::default();
    given.claim();
    given.me.step_down();
    let theirs = given.foreign_claim();
    given.land(&theirs);
    assert!(given.me.given_up.is_empty());
}

#[test]
fn resigns_after_what_is_in_flight() {
    let mut given = Given::leader();
    let commit = given.stage(1);
    let stamp = given.stamp();
    let resignation = given.me.resign(stamp).unwrap();
    let draft = given.draft(1);
    assert_eq!(given.me.stage(draft), Err(StageError::NotLeading));
    assert_eq!(given.land(&commit.bytes), Observation::Admitted { hash: commit.hash });
    assert_eq!(given.land(&resignation.bytes), Observation::SteppedDown(StepDown::Resigned));
    assert_eq!(given.admitted.holder, None);
}

#[test]
fn never_claims_after_the_history_was_altered() {
    let mut given = Given::leader();
    let commit = given.stage(1);
    given.admitted.head = Hash::of(b"another history");
    assert!(matches!(given.land(&commit.bytes), Observation::SteppedDown(StepDown::Fatal(_))));
    let stamp = given.stamp();
    assert_eq!(given.me.claim(&given.admitted, Uuid::nil(), Uuid::nil(), stamp), None);
}
