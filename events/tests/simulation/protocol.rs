//! What the simulation drives: the real leadership, a sketch of it with breakable rules, or both side by side.

use crate::{judge, mutant::Mutant, sketch::Sketch};
use bytes::Bytes;
use mcpctl_events::{
    admission::{Admission, Verdict},
    hash::Hash,
    leadership::{Draft, Leadership, Observation, Staged, Stamp, Tenure},
    record::Header,
};
use uuid::Uuid;

pub const URL: &str = "http://127.0.0.1:3100";

pub trait Protocol {
    fn new(mutant: Option<Mutant>) -> Self;
    fn admit(mutant: Option<Mutant>, state: &mut Admission, header: Option<&Header>, hash: Hash) -> Verdict;
    fn claim(&mut self, admitted: &Admission, log_id_if_new: Uuid, writer: Uuid, stamp: Stamp) -> Option<Bytes>;
    fn open(&mut self, stamp: Stamp) -> Staged;
    fn stage(&mut self, draft: Draft) -> Staged;
    fn noop(&mut self, stamp: Stamp) -> Staged;
    fn resign(&mut self, stamp: Stamp) -> Staged;
    fn step_down(&mut self);
    fn observe(&mut self, header: Option<&Header>, hash: Hash, verdict: Verdict, admitted: &Admission) -> Observation;
    fn is_following(&self) -> bool;
    fn is_claiming(&self) -> bool;
    fn must_open(&self) -> bool;
    fn is_leading(&self) -> bool;
    fn tenure(&self) -> Option<Tenure>;
}

impl Protocol for Leadership {
    fn new(_: Option<Mutant>) -> Self {
        Self::default()
    }
    fn admit(_: Option<Mutant>, state: &mut Admission, header: Option<&Header>, hash: Hash) -> Verdict {
        state.admit(header, hash)
    }
    fn claim(&mut self, admitted: &Admission, log_id_if_new: Uuid, writer: Uuid, stamp: Stamp) -> Option<Bytes> {
        self.claim(admitted, log_id_if_new, writer, stamp)
    }
    fn open(&mut self, stamp: Stamp) -> Staged {
        self.open(URL.to_owned(), stamp).unwrap()
    }
    fn stage(&mut self, draft: Draft) -> Staged {
        self.stage(draft).unwrap()
    }
    fn noop(&mut self, stamp: Stamp) -> Staged {
        self.noop(stamp).unwrap()
    }
    fn resign(&mut self, stamp: Stamp) -> Staged {
        self.resign(stamp).unwrap()
    }
    fn step_down(&mut self) {
        self.step_down();
    }
    fn observe(&mut self, header: Option<&Header>, hash: Hash, verdict: Verdict, admitted: &Admission) -> Observation {
        self.observe(header, hash, verdict, admitted)
    }
    fn is_following(&self) -> bool {
        self.is_following()
    }
    fn is_claiming(&self) -> bool {
        self.is_claiming()
    }
    fn must_open(&self) -> bool {
        self.must_open()
    }
    fn is_leading(&self) -> bool {
        self.is_leading()
    }
    fn tenure(&self) -> Option<Tenure> {
        self.tenure()
    }
}

/// Both, which must always agree.
pub struct Lockstep(Leadership, Sketch);

macro_rules! both {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let sketched = Protocol::$method(&mut $self.1, $($argument.clone()),*);
        let real = Protocol::$method(&mut $self.0, $($argument),*);
        assert_eq!(real, sketched, "the sketch differs in {}", stringify!($method));
        real
    }};
}

impl Protocol for Lockstep {
    fn new(mutant: Option<Mutant>) -> Self {
        Self(Protocol::new(mutant), Protocol::new(mutant))
    }
    fn admit(mutant: Option<Mutant>, state: &mut Admission, header: Option<&Header>, hash: Hash) -> Verdict {
        let mut sketched = state.clone();
        let verdict = state.admit(header, hash);
        assert_eq!(verdict, judge::admit(mutant, &mut sketched, header, hash));
        assert_eq!(*state, sketched);
        verdict
    }
    fn claim(&mut self, admitted: &Admission, log_id_if_new: Uuid, writer: Uuid, stamp: Stamp) -> Option<Bytes> {
        let sketched = Protocol::claim(&mut self.1, admitted, log_id_if_new, writer, stamp.clone());
        let real = Protocol::claim(&mut self.0, admitted, log_id_if_new, writer, stamp);
        assert_eq!(real, sketched);
        real
    }
    fn open(&mut self, stamp: Stamp) -> Staged {
        both!(self.open(stamp))
    }
    fn stage(&mut self, draft: Draft) -> Staged {
        both!(self.stage(draft))
    }
    fn noop(&mut self, stamp: Stamp) -> Staged {
        both!(self.noop(stamp))
    }
    fn resign(&mut self, stamp: Stamp) -> Staged {
        both!(self.resign(stamp))
    }
    fn step_down(&mut self) {
        both!(self.step_down());
    }
    fn observe(&mut self, header: Option<&Header>, hash: Hash, verdict: Verdict, admitted: &Admission) -> Observation {
        let sketched = self.1.observe(header, hash, verdict, admitted);
        let real = Protocol::observe(&mut self.0, header, hash, verdict, admitted);
        assert_eq!(real, sketched, "the sketch differs on {header:?}, {verdict:?}");
        real
    }
    fn is_following(&self) -> bool {
        assert_eq!(self.0.is_following(), self.1.is_following());
        self.0.is_following()
    }
    fn is_claiming(&self) -> bool {
        assert_eq!(self.0.is_claiming(), self.1.is_claiming());
        self.0.is_claiming()
    }
    fn must_open(&self) -> bool {
        assert_eq!(self.0.must_open(), self.1.must_open());
        self.0.must_open()
    }
    fn is_leading(&self) -> bool {
        assert_eq!(self.0.is_leading(), self.1.is_leading());
        self.0.is_leading()
    }
    fn tenure(&self) -> Option<Tenure> {
        assert_eq!(self.0.tenure(), self.1.tenure());
        self.0.tenure()
    }
}
