//! Whether a session is polled, and since when it is not.

use std::time::Duration;
use tokio::{sync::watch, time::timeout};

/// The polls of one session.
#[derive(Debug, Default)]
pub struct Polls(watch::Sender<Count>);

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    open: usize,
    /// All that ever were: one that is answered at once comes and goes between two looks.
    ever: u64,
}

/// A poll that is open until this is dropped.
pub struct OpenPoll<'a>(&'a Polls);

impl Polls {
    /// Counts a poll.
    pub fn enter(&self) -> OpenPoll<'_> {
        self.0.send_modify(|count| *count = Count { open: count.open + 1, ever: count.ever + 1 });
        OpenPoll(self)
    }

    /// Returns once no poll was open for `silence`.
    pub async fn silent_for(&self, silence: Duration) {
        let mut count = self.0.subscribe();
        loop {
            let Ok(ever) = count.wait_for(|count| count.open == 0).await.map(|count| count.ever) else { return };
            if timeout(silence, count.wait_for(|count| count.ever != ever)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_poll() {
        let polls = Polls::default();
        let open = polls.enter();
        let silence = Duration::from_secs(10);
        assert!(timeout(Duration::from_mins(1), polls.silent_for(silence)).await.is_err());
        drop(open);
        assert!(timeout(Duration::from_secs(11), polls.silent_for(silence)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn polls_that_are_answered_at_once_are_no_silence() {
        let (polls, silence) = (Polls::default(), Duration::from_secs(10));
        let polling = async {
            for _ in 0..60 {
                drop(polls.enter());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            biased;
            () = polls.silent_for(silence) => panic!("it was polled every second"),
            () = polling => {}
        }
    }
}
