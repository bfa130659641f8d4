//! How many polls of a session are open, and since when there is none.

use std::time::Duration;
use tokio::{sync::watch, time::timeout};

/// Open polls of one session.
#[derive(Debug)]
pub struct Polls(watch::Sender<usize>);

impl Default for Polls {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// A poll that is open until this is dropped.
pub struct OpenPoll<'a>(&'a Polls);

impl Polls {
    /// Counts a poll.
    pub fn enter(&self) -> OpenPoll<'_> {
        self.0.send_modify(|open| *open += 1);
        OpenPoll(self)
    }

    /// Returns once no poll was open for `silence`.
    pub async fn silent_for(&self, silence: Duration) {
        let mut open = self.0.subscribe();
        loop {
            if open.wait_for(|open| *open == 0).await.is_err() {
                return;
            }
            if timeout(silence, open.wait_for(|open| *open > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|open| *open -= 1);
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
}
