//! What a connection is doing, so that one on which nothing is asked can give back what it holds.

use crate::clock::Clock;
use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

const NOTHING: u8 = 0;
/// A part of a request's head has come.
const READING: u8 = 1;
const ANSWERING: u8 = 2;

/// Noted by one connection's socket and service, which run in one task.
#[derive(Debug, Default)]
pub(super) struct Activity {
    doing: AtomicU8,
    write_waits: AtomicBool,
    requests: AtomicU64,
}

impl Activity {
    /// Bytes have come in.
    pub(super) fn read(&self) {
        // Within an answer they are the request's body.
        let _ = self.doing.compare_exchange(NOTHING, READING, Relaxed, Relaxed);
    }

    /// Bytes that are to go out wait for the peer, or don't any more.
    pub(super) fn write_waits(&self, waits: bool) {
        self.write_waits.store(waits, Relaxed);
    }

    /// A request's head is there.
    pub(super) fn answer_begins(&self) {
        self.doing.store(ANSWERING, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    /// The answer was handed over for writing, or given up.
    pub(super) fn answer_ends(&self) {
        self.doing.store(NOTHING, Relaxed);
    }

    /// Whether all that was to go out so far is with the system.
    pub(super) fn is_written(&self) -> bool {
        !self.write_waits.load(Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.doing.load(Relaxed) == NOTHING && self.is_written()
    }
}

/// Waits until a connection was idle for a while. It runs one timer for many requests: they only count up.
#[derive(Debug)]
pub(super) struct Rest {
    clock: Clock,
    after: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    requests: u64,
}

impl Rest {
    /// `after` is how long that is, at most.
    pub(super) fn new(clock: Clock, after: Duration) -> Self {
        Self { clock, after, timer: None, requests: 0 }
    }

    /// To be polled after the connection itself.
    pub(super) fn poll(&mut self, activity: &Activity, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(timer) = &mut self.timer else {
                if !activity.is_idle() {
                    return Poll::Pending;
                }
                self.requests = activity.requests.load(Relaxed);
                self.timer = Some(Box::pin(sleep(self.clock.in_step(self.after))));
                continue;
            };
            ready!(timer.as_mut().poll(context));
            self.timer = None;
            if activity.is_idle() && activity.requests.load(Relaxed) == self.requests {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::{Instant, timeout};

    const AFTER: Duration = Duration::from_secs(2);

    async fn rested(rest: &mut Rest, activity: &Activity, within: Duration) -> bool {
        timeout(within, poll_fn(|context| rest.poll(activity, context))).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_did_nothing_for_long_enough_is_idle() {
        let (mut rest, activity, began) = (Rest::new(Clock::start(), AFTER), Activity::default(), Instant::now());
        assert!(!rested(&mut rest, &activity, AFTER / 2).await);
        activity.read();
        activity.answer_begins();
        activity.answer_ends();
        assert!(!rested(&mut rest, &activity, AFTER).await, "there was a request meanwhile");
        assert!(rested(&mut rest, &activity, AFTER).await);
        assert!(began.elapsed() <= AFTER * 2 + Duration::from_millis(10), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_an_answer_and_a_peer_that_takes_nothing_are_no_rest() {
        let notes: [fn(&Activity); 3] =
            [Activity::read, Activity::answer_begins, |activity| activity.write_waits(true)];
        for note in notes {
            let (mut rest, activity) = (Rest::new(Clock::start(), AFTER), Activity::default());
            assert!(!rested(&mut rest, &activity, AFTER / 2).await);
            note(&activity);
            assert!(!rested(&mut rest, &activity, AFTER * 10).await);
            activity.answer_ends();
            activity.write_waits(false);
            assert!(rested(&mut rest, &activity, AFTER * 2).await);
        }
    }

    #[test]
    fn a_body_that_is_still_read_is_part_of_its_answer() {
        let activity = Activity::default();
        activity.answer_begins();
        activity.read();
        activity.answer_ends();
        assert!(activity.is_idle());
    }
}
