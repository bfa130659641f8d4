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
    rests_next: AtomicBool,
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
        // One that is behind another in line has an end of its own.
        self.rests_next.store(false, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    /// It is known that nothing will be asked for a while after this answer.
    pub(super) fn rest_next(&self) {
        self.rests_next.store(true, Relaxed);
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

    /// Whether a part of a request's head has come, and no more.
    pub(super) fn is_reading(&self) -> bool {
        self.doing.load(Relaxed) == READING
    }
}

/// A connection on which nothing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// Nothing is asked.
    Rest,
    /// A request's head began long ago and is still not whole.
    Stall,
}

/// Waits for pauses. It runs one timer for many requests: they only count up.
#[derive(Debug)]
pub(super) struct Pauses {
    clock: Clock,
    rest_after: Duration,
    header_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    requests: u64,
    /// How long the head that is being read has been there at least.
    reading: Duration,
}

impl Pauses {
    /// A connection rests when nothing was asked for `rest_after`, at most; a head may take `header_timeout`, and up to
    /// `rest_after` more.
    pub(super) fn new(clock: Clock, rest_after: Duration, header_timeout: Duration) -> Self {
        Self { clock, rest_after, header_timeout, timer: None, requests: 0, reading: Duration::ZERO }
    }

    /// To be polled after the connection itself.
    pub(super) fn poll(&mut self, activity: &Activity, context: &mut Context<'_>) -> Poll<Pause> {
        if activity.is_idle() && activity.rests_next.swap(false, Relaxed) {
            return Poll::Ready(Pause::Rest);
        }
        loop {
            let Some(timer) = &mut self.timer else {
                if !activity.is_idle() && !activity.is_reading() {
                    return Poll::Pending;
                }
                self.requests = activity.requests.load(Relaxed);
                self.timer = Some(Box::pin(sleep(self.clock.in_step(self.rest_after))));
                continue;
            };
            ready!(timer.as_mut().poll(context));
            self.timer = None;
            let is_same = activity.requests.load(Relaxed) == self.requests;
            if is_same && activity.is_idle() {
                return Poll::Ready(Pause::Rest);
            }
            let goes_on = is_same && activity.is_reading();
            self.reading = if goes_on { self.reading + self.rest_after } else { Duration::ZERO };
            if self.reading > self.header_timeout {
                return Poll::Ready(Pause::Stall);
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

    fn pauses() -> Pauses {
        Pauses::new(Clock::start(), AFTER, AFTER * 5)
    }

    async fn pause(pauses: &mut Pauses, activity: &Activity, within: Duration) -> Option<Pause> {
        timeout(within, poll_fn(|context| pauses.poll(activity, context))).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_did_nothing_for_long_enough_is_idle() {
        let (mut pauses, activity, began) = (pauses(), Activity::default(), Instant::now());
        assert_eq!(pause(&mut pauses, &activity, AFTER / 2).await, None);
        activity.read();
        activity.answer_begins();
        activity.answer_ends();
        assert_eq!(pause(&mut pauses, &activity, AFTER).await, None, "there was a request meanwhile");
        assert_eq!(pause(&mut pauses, &activity, AFTER).await, Some(Pause::Rest));
        assert!(began.elapsed() <= AFTER * 2 + Duration::from_millis(10), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_the_next_request_is_far_rests_once_it_has_its_answer() {
        let (mut pauses, activity, began) = (pauses(), Activity::default(), Instant::now());
        activity.answer_begins();
        activity.rest_next();
        assert_eq!(pause(&mut pauses, &activity, AFTER * 10).await, None, "the answer is not given yet");
        activity.answer_ends();
        let given = began.elapsed();
        assert_eq!(pause(&mut pauses, &activity, AFTER).await, Some(Pause::Rest));
        assert_eq!(began.elapsed(), given);
        activity.answer_begins();
        activity.rest_next();
        activity.answer_ends();
        activity.answer_begins();
        activity.answer_ends();
        assert_eq!(pause(&mut pauses, &activity, AFTER / 2).await, None, "another answer came behind it");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_and_a_peer_that_takes_nothing_are_no_pause() {
        let notes: [fn(&Activity); 2] = [Activity::answer_begins, |activity| activity.write_waits(true)];
        for note in notes {
            let (mut pauses, activity) = (pauses(), Activity::default());
            assert_eq!(pause(&mut pauses, &activity, AFTER / 2).await, None);
            note(&activity);
            assert_eq!(pause(&mut pauses, &activity, AFTER * 10).await, None);
            activity.answer_ends();
            activity.write_waits(false);
            assert_eq!(pause(&mut pauses, &activity, AFTER * 2).await, Some(Pause::Rest));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_may_take_long_but_not_for_ever() {
        let (mut pauses, activity) = (pauses(), Activity::default());
        for _ in 0..3 {
            activity.read();
            assert_eq!(pause(&mut pauses, &activity, AFTER * 5).await, None);
            activity.answer_begins();
            activity.answer_ends();
        }
        activity.read();
        assert_eq!(pause(&mut pauses, &activity, AFTER * 8).await, Some(Pause::Stall));
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
