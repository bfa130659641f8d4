//! Waiting until streams may have moved: here, or on the log, which tells of other replicas.

use crate::{app::App, follower::Progress};
use std::time::Duration;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

/// How long is waited where nothing is heard of a move.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The least time from one look to the next for which the log was the reason: it may tell of much that is no move.
const PACE: Duration = Duration::from_millis(20);

/// How long it takes at most, in order, until every replica has read what one of them has.
pub const KNOWN_SOON: Duration = Duration::from_secs(2);

/// What was seen of moves so far. It is made before the first look, so that nothing that comes after that is missed.
pub struct Moves {
    /// Only where there are other replicas.
    progress: Option<Receiver<Progress>>,
    changes: Receiver<u64>,
}

impl Moves {
    /// From now on.
    pub fn of(app: &App) -> Self {
        Self::begin(app.cluster.is_some().then(|| app.progress.clone()), app.relay.changes())
    }

    /// A receiver that was never asked has news at once, of long ago.
    fn begin(mut progress: Option<Receiver<Progress>>, mut changes: Receiver<u64>) -> Self {
        progress.iter_mut().for_each(Receiver::mark_unchanged);
        changes.mark_unchanged();
        Self { progress, changes }
    }

    /// Waits for the next, not longer than `until`.
    pub async fn next(&mut self, until: Instant) {
        let begun = Instant::now();
        let told = async {
            match &mut self.progress {
                Some(progress) => {
                    let told = progress.changed().await;
                    sleep_until(begun + PACE).await;
                    told
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(()) = told => {}
            Ok(()) = self.changes.changed() => {}
            () = sleep_until((begun + LOOK_AGAIN).min(until)) => {}
        }
    }
}

/// Looks until there is something, or `patience` is over. Where a server is alone, what it does not know is not there.
pub async fn in_time<T>(app: &App, patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (mut moves, until) = (Moves::of(app), Instant::now() + patience);
    loop {
        let seen = look();
        if seen.is_some() || app.cluster.is_none() || Instant::now() >= until {
            return seen;
        }
        moves.next(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::watch;

    #[tokio::test(start_paused = true)]
    async fn what_moved_long_ago_wakes_nobody() {
        let ((progress, kept), (changes, kept_too)) = (watch::channel(Progress::default()), watch::channel(0));
        progress.send_modify(|progress| progress.sequence = 7);
        changes.send_replace(1);
        let mut moves = Moves::begin(Some(kept), kept_too);
        let (begun, until) = (Instant::now(), Instant::now() + Duration::from_secs(3));
        let mut looks = 0;
        while Instant::now() < until {
            moves.next(until).await;
            looks += 1;
        }
        assert_eq!(looks, 30, "a look each 100 ms");
        changes.send_replace(2);
        moves.next(Instant::now() + LOOK_AGAIN).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3), "one that moves now is seen at once");
        progress.send_modify(|progress| progress.sequence = 8);
        moves.next(Instant::now() + LOOK_AGAIN).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(3) + PACE, "what the log tells, a little later");
    }
}
