//! Admission once more, with each rule breakable. Without a mutant it says what the real one says.

use crate::mutant::Mutant::{self, *};
use mcpctl_events::{
    admission::{Admission, Fatal, Rejected, Verdict},
    hash::Hash,
    record::{Header, RecordKind},
};

/// A record's header, as replicas that break this rule read it.
pub fn header(mutant: Option<Mutant>, bytes: &[u8]) -> Option<Header> {
    if mutant == Some(CommitsMayBeEmpty) { serde_json::from_slice(bytes).ok() } else { Header::decode(bytes) }
}

/// Judges a record and takes its effect.
pub fn admit(mutant: Option<Mutant>, state: &mut Admission, header: Option<&Header>, hash: Hash) -> Verdict {
    let off = |rule| mutant == Some(rule);
    let verdict = judge(mutant, state, header);
    let Some(record) = header else { return verdict };
    match verdict {
        Verdict::Elected => {
            if !off(NoClaimNamesTheLog) {
                state.log_id.get_or_insert(record.log_id);
            }
            (state.term, state.holder) = (record.term, Some(record.writer));
        }
        Verdict::Committed if off(RecordsAreCountedNotEvents) => state.last_sequence += 1,
        Verdict::Committed => state.last_sequence += record.count,
        Verdict::Resigned if !off(ResignationsChangeNothing) => state.holder = None,
        _ => {}
    }
    let moves_head = match verdict {
        Verdict::Committed => true,
        Verdict::Elected => off(ClaimsMoveTheHead),
        Verdict::Barrier => off(BarriersMoveTheHead),
        Verdict::Resigned => off(ResignationsMoveTheHead),
        Verdict::Rejected(_) | Verdict::Fatal(_) => false,
    };
    if moves_head {
        state.head = hash;
    }
    verdict
}

fn judge(mutant: Option<Mutant>, state: &Admission, header: Option<&Header>) -> Verdict {
    let off = |rule| mutant == Some(rule);
    let fatal = Verdict::Fatal(Fatal::BrokenChain { sequence: 0 });
    let Some(record) = header else {
        return if off(TornRecordsAreFatal) { fatal } else { Verdict::Rejected(Rejected::NotAnEnvelope) };
    };
    let claim = record.kind == RecordKind::Claim;
    if state.log_id.is_some_and(|id| id != record.log_id)
        && !off(OtherLogsAreAdmitted)
        && !(claim && off(OtherLogsMayClaim))
    {
        return if off(OtherLogsAreFatal) { fatal } else { Verdict::Rejected(Rejected::OtherLog) };
    }
    if claim {
        let wins = match mutant {
            Some(SameTermClaimsWin) => record.term == state.term || record.term == state.term + 1,
            Some(LaterTermClaimsWin) => record.term > state.term,
            Some(EveryClaimWins) => true,
            _ => record.term == state.term + 1,
        };
        return if wins { Verdict::Elected } else { Verdict::Rejected(Rejected::LostClaim) };
    }
    if record.term > state.term && !off(LaterTermsAreNoAlarm) {
        return Verdict::Rejected(Rejected::UnknownTerm);
    }
    let holder = state.holder == Some(record.writer) || off(AnyoneWritesInTheTerm);
    if !((record.term == state.term || off(TermsAreNotCompared)) && holder || off(NoFence)) {
        return Verdict::Rejected(Rejected::NotTheHolder);
    }
    match record.kind {
        RecordKind::Commit => judge_commit(mutant, state, record),
        RecordKind::Resign => Verdict::Resigned,
        RecordKind::Noop | RecordKind::Claim => Verdict::Barrier,
    }
}

fn judge_commit(mutant: Option<Mutant>, state: &Admission, commit: &Header) -> Verdict {
    let off = |rule| mutant == Some(rule);
    let next = state.last_sequence + 1;
    let follows = match mutant {
        Some(GapsAreAdmitted) => commit.first_sequence >= next,
        Some(CopiesAreAdmitted) => commit.first_sequence <= next,
        Some(SequenceIsIgnored) => true,
        _ => commit.first_sequence == next,
    };
    let chained = commit.prev_hash == state.head || off(ChainIsIgnored);
    let broken = match mutant {
        Some(BrokenChainsAreRejected) => Verdict::Rejected(Rejected::OutOfSequence),
        _ => Verdict::Fatal(Fatal::BrokenChain { sequence: commit.first_sequence }),
    };
    if !chained && off(ChainComesBeforeSequence) {
        broken
    } else if !follows {
        Verdict::Rejected(Rejected::OutOfSequence)
    } else if chained {
        Verdict::Committed
    } else {
        broken
    }
}
