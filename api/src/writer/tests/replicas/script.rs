//! What may happen to the replicas, and how often.

use super::super::registry::faults;
use mcpctl_events::log::faulty::Fault;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_oneof,
};
use std::time::Duration;

pub(super) const REPLICAS: usize = 3;
/// All that a replica does in a moment: see [`World::moment`](super::world::World).
pub(super) const ALL: u8 = 0b1_1111;
/// The same, but that it may not learn yet that it read the whole log.
pub(super) const ALL_BUT_THE_END: u8 = 0b1111;

/// To which replica something happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whom {
    /// The one that leads, as it believes; else this one.
    Leads(usize),
    /// One that stands still; else this one.
    Still(usize),
    Any(usize),
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    /// Time goes by, and replicas do some of what they have to.
    Moment {
        ms: u64,
        does: [u8; REPLICAS],
    },
    /// So many clients ask this replica for something new.
    Ask(Whom, usize),
    /// A client asks this replica for what it has already.
    Look(Whom),
    StandsStill(Whom, Duration),
    CutOff(Whom, Duration),
    Crashes(Whom),
    Stops(Whom),
    Goes(Fault),
    LateLands,
}

impl Next {
    pub(super) fn is_trouble(&self) -> bool {
        use Next::*;
        matches!(self, StandsStill(..) | CutOff(..) | Crashes(_) | Goes(_) | LateLands)
    }
}

/// `moods` says how often what goes wrong does.
fn next(moods: [u32; 4]) -> impl Strategy<Value = Next> {
    let whom = || {
        (0..3_u8, 0..REPLICAS).prop_map(|(kind, who)| match kind {
            0 => Whom::Leads(who),
            1 => Whom::Still(who),
            _ => Whom::Any(who),
        })
    };
    let does = prop_oneof![2 => Just([ALL; REPLICAS]), 1 => [0..=ALL, 0..=ALL, 0..=ALL]];
    let a_while = || prop_oneof![100..12_000_u64, 5000..9000_u64].prop_map(Duration::from_millis);
    let [still, cut, ends, faulty] = moods;
    prop_oneof![
        1000 => (10..600_u64, does).prop_map(|(ms, does)| Next::Moment { ms, does }),
        200 => (whom(), 1..4_usize).prop_map(|(at, count)| Next::Ask(at, count)),
        200 => whom().prop_map(Next::Look),
        still => (whom(), a_while()).prop_map(|(who, time)| Next::StandsStill(who, time)),
        cut => (whom(), a_while()).prop_map(|(who, time)| Next::CutOff(who, time)),
        ends => whom().prop_map(Next::Crashes),
        ends => whom().prop_map(Next::Stops),
        faulty => faults().prop_map(Next::Goes),
        faulty => Just(Next::LateLands),
    ]
}

pub(super) fn script() -> impl Strategy<Value = Vec<Next>> {
    let mood = || prop_oneof![Just(1_u32), Just(5), Just(40)];
    [mood(), mood(), mood(), mood()].prop_flat_map(|moods| vec(next(moods), 20..250))
}
