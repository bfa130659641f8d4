//! Leadership once more, with each rule breakable. Without a mutant it does what the real one does.

use crate::{
    judge,
    mutant::Mutant::{self, *},
    protocol::{Protocol, URL},
};
use bytes::Bytes;
use mcpctl_events::{
    admission::{Admission, Verdict},
    event::{
        Body, Event, Subject,
        registry::{ExpiryResumed, WriterElected},
    },
    hash::Hash,
    leadership::{Draft, Observation, Staged, Stamp, StepDown, Tenure},
    record::{Header, Record, RecordKind, VERSION},
};
use uuid::Uuid;

#[derive(Default)]
pub struct Sketch {
    mutant: Option<Mutant>,
    role: Role,
    given_up: Vec<Tenure>,
    admitted: Link,
    claimed_at: Link,
    once_staged: Option<Link>,
    barred: bool,
}

#[derive(Default)]
enum Role {
    #[default]
    Following,
    Claiming(Tenure),
    Leading(Lead),
}

struct Lead {
    tenure: Tenure,
    opened: bool,
    resigning: bool,
    staged: Link,
    in_flight: Vec<Hash>,
}

/// The end of a chain.
#[derive(Clone, Copy)]
struct Link {
    sequence: u64,
    head: Hash,
}

impl Default for Link {
    fn default() -> Self {
        Self { sequence: 0, head: Hash::NONE }
    }
}

fn link(admitted: &Admission) -> Link {
    Link { sequence: admitted.last_sequence, head: admitted.head }
}

impl Sketch {
    fn off(&self, rule: Mutant) -> bool {
        self.mutant == Some(rule)
    }

    fn lead(&mut self, tenure: Tenure, admitted: &Admission) {
        let staged = match (self.mutant, self.once_staged) {
            (Some(ChainsFromItsClaim), _) => self.claimed_at,
            (Some(ChainsFromWhatItOnceStaged), Some(staged)) => staged,
            _ => link(admitted),
        };
        self.role = Role::Leading(Lead { tenure, opened: false, resigning: false, staged, in_flight: Vec::new() });
    }

    fn append(&mut self, kind: RecordKind, draft: Draft) -> Staged {
        let on_admitted = self.off(ChainsOnWhatIsAdmitted).then_some(self.admitted);
        let Role::Leading(lead) = &mut self.role else { panic!("not leading") };
        let from = on_admitted.unwrap_or(lead.staged);
        let count = draft.events.len() as u64;
        let bytes = encode(kind, lead.tenure, from, draft);
        let hash = Hash::of(&bytes);
        lead.staged.sequence = from.sequence + count;
        if kind == RecordKind::Commit {
            lead.staged.head = hash;
        }
        lead.in_flight.push(hash);
        let (first_sequence, last_sequence) = (from.sequence + 1, from.sequence + count);
        Staged { bytes, hash, first_sequence, last_sequence }
    }

    fn fall(&mut self, why: StepDown) -> Observation {
        if matches!(self.role, Role::Following) {
            return Observation::Nothing;
        }
        self.follow();
        Observation::SteppedDown(why)
    }

    fn follow(&mut self) {
        match std::mem::take(&mut self.role) {
            Role::Claiming(tenure) => self.given_up.push(tenure),
            Role::Leading(lead) => self.once_staged = Some(lead.staged),
            Role::Following => {}
        }
    }

    fn observe_own(&mut self, verdict: Verdict, hash: Hash) -> Observation {
        let out_of_order = self.off(AcknowledgesOutOfOrder);
        match (verdict, &mut self.role) {
            (Verdict::Rejected(_), Role::Leading(_)) if self.mutant == Some(IgnoresItsRejections) => {
                Observation::Nothing
            }
            (Verdict::Rejected(why), _) => self.fall(StepDown::OwnRejected(why)),
            (_, Role::Leading(lead)) => {
                let place = lead.in_flight.iter().position(|flying| *flying == hash);
                match place.filter(|place| *place == 0 || out_of_order) {
                    None => self.fall(StepDown::OwnMissing),
                    Some(_) if verdict == Verdict::Resigned => self.fall(StepDown::Resigned),
                    Some(place) => {
                        lead.in_flight.remove(place);
                        Observation::Admitted { hash }
                    }
                }
            }
            _ => Observation::Nothing,
        }
    }

    fn observe_election(&mut self, claim: &Header, admitted: &Admission) -> Observation {
        match self.role {
            Role::Claiming(tenure)
                if tenure.wrote(claim) || (self.off(LeadsByTermAlone) && tenure.term == claim.term) =>
            {
                self.lead(tenure, admitted);
                return Observation::Elected(tenure);
            }
            Role::Leading(_) if self.off(IgnoresOtherElections) => return Observation::Nothing,
            Role::Leading(Lead { tenure, .. }) if self.off(LeadsBeforeReadBack) && tenure.wrote(claim) => {
                return Observation::Nothing;
            }
            _ => {}
        }
        let claims = matches!(self.role, Role::Claiming(_));
        let fall = self.fall(if claims { StepDown::ClaimLost } else { StepDown::Superseded });
        let given_up = self.given_up.iter().find(|tenure| tenure.wrote(claim)).copied();
        match given_up.filter(|_| !self.off(ForgetsClaimsItGaveUp)) {
            Some(tenure) => Observation::MustResign(tenure),
            None => fall,
        }
    }
}

impl Protocol for Sketch {
    fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant, ..Self::default() }
    }

    fn admit(mutant: Option<Mutant>, state: &mut Admission, header: Option<&Header>, hash: Hash) -> Verdict {
        judge::admit(mutant, state, header, hash)
    }

    fn claim(&mut self, admitted: &Admission, log_id_if_new: Uuid, writer: Uuid, stamp: Stamp) -> Option<Bytes> {
        if self.barred {
            return None;
        }
        let log_id = admitted.log_id.unwrap_or(log_id_if_new);
        self.claimed_at = link(admitted);
        if self.off(WriterIsConfiguredAndResumes) && admitted.holder == Some(writer) {
            self.lead(Tenure { log_id, term: admitted.term, writer }, admitted);
            return None;
        }
        let tenure = Tenure { log_id, term: admitted.term + 1, writer };
        self.role = Role::Claiming(tenure);
        if self.off(LeadsBeforeReadBack) {
            self.lead(tenure, admitted);
        }
        Some(encode(RecordKind::Claim, tenure, link(admitted), Draft { stamp, idempotency: None, events: Vec::new() }))
    }

    fn open(&mut self, stamp: Stamp) -> Staged {
        let without = self.off(OpensWithoutWriterElected);
        let Role::Leading(lead) = &mut self.role else { panic!("not elected") };
        lead.opened = true;
        let Tenure { log_id, term, writer } = lead.tenure;
        let body = if without {
            Body::ExpiryResumed(ExpiryResumed { sweep_id: stamp.command_id })
        } else {
            Body::WriterElected(WriterElected { term, writer, advertise_url: URL.to_owned() })
        };
        let events = vec![Event { subject: Subject::Registry(log_id), body }];
        self.append(RecordKind::Commit, Draft { stamp, idempotency: None, events })
    }

    fn stage(&mut self, draft: Draft) -> Staged {
        self.append(RecordKind::Commit, draft)
    }

    fn noop(&mut self, stamp: Stamp) -> Staged {
        self.append(RecordKind::Noop, Draft { stamp, idempotency: None, events: Vec::new() })
    }

    fn resign(&mut self, stamp: Stamp) -> Staged {
        let staged = self.append(RecordKind::Resign, Draft { stamp, idempotency: None, events: Vec::new() });
        if let Role::Leading(lead) = &mut self.role {
            lead.resigning = true;
        }
        staged
    }

    fn step_down(&mut self) {
        let (admitted, keeps) = (self.admitted, self.off(KeepsTheTermAfterDoubt));
        match &mut self.role {
            Role::Leading(lead) if keeps && lead.opened => {
                lead.in_flight.clear();
                lead.staged = admitted;
            }
            _ => self.follow(),
        }
    }

    fn observe(&mut self, header: Option<&Header>, hash: Hash, verdict: Verdict, admitted: &Admission) -> Observation {
        self.admitted = link(admitted);
        let own = header.is_some_and(|record| self.tenure().is_some_and(|tenure| tenure.wrote(record)));
        let observation = match (verdict, header) {
            (Verdict::Fatal(fatal), _) => {
                self.barred = !self.off(ClaimsAfterFatal);
                self.fall(StepDown::Fatal(fatal))
            }
            (_, None) => Observation::Nothing,
            (Verdict::Elected, Some(claim)) => self.observe_election(claim, admitted),
            _ if own => self.observe_own(verdict, hash),
            (_, Some(record)) if admitted.log_id == Some(record.log_id) && record.term > admitted.term => {
                if self.off(LeadsOnAtLaterTerms) { Observation::Nothing } else { self.fall(StepDown::LaterTerm) }
            }
            _ => Observation::Nothing,
        };
        self.given_up.retain(|tenure| tenure.term > admitted.term);
        observation
    }

    fn is_following(&self) -> bool {
        matches!(self.role, Role::Following)
    }

    fn is_claiming(&self) -> bool {
        matches!(self.role, Role::Claiming(_))
    }

    fn must_open(&self) -> bool {
        matches!(&self.role, Role::Leading(lead) if !lead.opened)
    }

    fn is_leading(&self) -> bool {
        matches!(&self.role, Role::Leading(lead) if lead.opened && !lead.resigning)
    }

    fn tenure(&self) -> Option<Tenure> {
        match &self.role {
            Role::Following => None,
            Role::Claiming(tenure) | Role::Leading(Lead { tenure, .. }) => Some(*tenure),
        }
    }
}

fn encode(kind: RecordKind, tenure: Tenure, from: Link, draft: Draft) -> Bytes {
    let Tenure { log_id, term, writer } = tenure;
    let (first_sequence, count) = (from.sequence + 1, draft.events.len() as u64);
    let header = Header { v: VERSION, log_id, term, writer, kind, first_sequence, count, prev_hash: from.head };
    let Stamp { command_id, decided_at, actor } = draft.stamp;
    Record { header, command_id, idempotency: draft.idempotency, decided_at, actor, events: draft.events }.encode()
}
