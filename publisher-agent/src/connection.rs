//! Keeping a way open on which tasks come in.

use crate::{
    backoff::Backoff, notice::Notice, poll, publisher::Publisher, server::CallError, server::Server,
    settings::Transport, stream,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::warn;

/// A connection that lasted this long was a good one: the next try comes soon.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// Two publishers with one session take it from each other; after this long without that, the other is gone.
const ALONE_AFTER: Duration = Duration::from_mins(2);
/// A server that stops takes at most this long.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// Streams without `hello` in a row that make us poll, and for how long.
const MUTE_STREAMS: u32 = 2;
const POLL_FOR: Duration = Duration::from_mins(10);

/// Why a registration has to be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The server no longer knows the session.
    Forgotten,
    /// The credentials file names another server or token.
    Moved,
    /// Nothing is left to publish.
    NothingLeft,
}

/// Why a stream, or a sequence of polls, ended.
#[derive(Debug)]
pub enum End {
    /// The server no longer knows the session.
    Forgotten,
    /// The server stops.
    Shutdown,
    /// Another process uses the session.
    Superseded,
    /// Nothing came through the stream, not even its beginning.
    Mute,
    /// The machine slept.
    Slept,
    /// Anything else.
    Lost(String),
}

impl From<CallError> for End {
    fn from(error: CallError) -> Self {
        if error.is_unknown_session() { Self::Forgotten } else { Self::Lost(error.to_string()) }
    }
}

/// What is remembered from one connection to the next.
#[derive(Debug, Default)]
struct Past {
    notice: Notice,
    backoff: Backoff,
    superseded: Backoff,
    mute: u32,
    poll_until: Option<Instant>,
    stopping_until: Option<Instant>,
}

/// Connects again and again.
pub async fn keep(publisher: Arc<Publisher>, server: Arc<Server>) -> anyhow::Result<Ended> {
    let mut past = Past::default();
    loop {
        if publisher.source.read().is_ok_and(|endpoint| endpoint != server.endpoint) {
            return Ok(Ended::Moved);
        }
        let began = Instant::now();
        let end = match past.transport(publisher.transport, began) {
            Transport::Sse => stream::follow(&publisher, &server, &mut past.notice).await,
            Transport::LongPoll => poll::follow(&publisher, &server, &mut past.notice).await,
        };
        if past.ends_tasks(&end, Instant::now()) {
            publisher.tasks.cancel_all();
        }
        if matches!(end, End::Superseded) {
            publisher.lost_its_session();
        }
        let Some(wait) = past.wait_after(end, began.elapsed(), &server.endpoint.url) else {
            return Ok(Ended::Forgotten);
        };
        publisher.pause(wait).await;
    }
}

impl Past {
    fn transport(&self, wanted: Transport, now: Instant) -> Transport {
        if self.poll_until.is_some_and(|until| now < until) { Transport::LongPoll } else { wanted }
    }

    /// Whether tasks in flight have failed with the connection. A server that stops lets them come to their end, also
    /// while it takes no new connection any more.
    fn ends_tasks(&mut self, end: &End, now: Instant) -> bool {
        if matches!(end, End::Shutdown) {
            self.stopping_until = Some(now + STOPS_WITHIN);
        }
        let stopping = self.stopping_until.is_some_and(|until| now < until);
        !(stopping && matches!(end, End::Shutdown | End::Lost(_)))
    }

    /// How long to wait before the next connection; none where the session has to be registered first.
    fn wait_after(&mut self, end: End, lasted: Duration, url: &str) -> Option<Duration> {
        if lasted >= GOOD_AFTER {
            self.backoff.reset();
        }
        if lasted >= ALONE_AFTER {
            self.superseded.reset();
        }
        let mute = matches!(end, End::Mute);
        self.mute = if mute { self.mute + 1 } else { 0 };
        match end {
            End::Forgotten => return None,
            End::Slept => {
                self.backoff.reset();
                return Some(Duration::ZERO);
            }
            End::Shutdown => {
                self.notice.turn(format!("{url} stops"));
                self.backoff.reset();
            }
            End::Superseded => {
                let wait = self.superseded.full();
                warn!(
                    "another mcplocal took over this session at {url}: stop one of the two, or give it another \
                     --home; taking it back in {} s",
                    wait.as_secs()
                );
                return Some(wait);
            }
            End::Mute => self.on_mute(url),
            End::Lost(why) => self.notice.trouble(format!("connection lost, trying again: {why}")),
        }
        Some(self.backoff.jittered())
    }

    fn on_mute(&mut self, url: &str) {
        if self.mute >= MUTE_STREAMS {
            self.mute = 0;
            self.poll_until = Some(Instant::now() + POLL_FOR);
            warn!("nothing comes through the streams from {url}: polling for tasks instead");
        } else {
            self.notice.trouble(format!("nothing came through the stream from {url}: trying again"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn short_connections_are_tried_again_ever_more_slowly() {
        let mut past = Past::default();
        let mut lost = |lasted| past.wait_after(End::Lost("x".to_owned()), lasted, "u").expect("a wait");
        let waits: Vec<Duration> = (0..8).map(|_| lost(SHORT)).collect();
        assert!(waits[0] <= Duration::from_secs(1) && waits[7] >= Duration::from_secs(30), "{waits:?}");
        assert!(lost(GOOD_AFTER) <= Duration::from_secs(1));
    }

    #[test]
    fn two_with_one_session_slow_each_other_down() {
        let mut past = Past::default();
        let mut superseded = |lasted| past.wait_after(End::Superseded, lasted, "u").expect("a wait").as_secs();
        let waits: Vec<u64> = (0..7).map(|_| superseded(Duration::from_mins(1))).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60]);
        assert_eq!(superseded(ALONE_AFTER), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn mute_streams_make_it_poll_for_a_while() {
        let mut past = Past::default();
        for expected in [Transport::Sse, Transport::Sse, Transport::LongPoll] {
            assert_eq!(past.transport(Transport::Sse, Instant::now()), expected);
            past.wait_after(End::Mute, SHORT, "u");
        }
        tokio::time::advance(POLL_FOR).await;
        assert_eq!(past.transport(Transport::Sse, Instant::now()), Transport::Sse);
    }

    #[test]
    fn a_server_that_stops_may_finish_what_is_under_way() {
        let (mut past, now) = (Past::default(), Instant::now());
        let lost = End::Lost("connection refused".to_owned());
        assert!(past.ends_tasks(&lost, now));
        assert!(!past.ends_tasks(&End::Shutdown, now));
        assert!(!past.ends_tasks(&lost, now + GOOD_AFTER / 2), "it takes no new connection");
        assert!(past.ends_tasks(&End::Superseded, now + GOOD_AFTER / 2));
        assert!(past.ends_tasks(&lost, now + STOPS_WITHIN));
    }

    #[test]
    fn some_ends_need_no_wait() {
        let mut past = Past::default();
        assert_eq!(past.wait_after(End::Slept, SHORT, "u"), Some(Duration::ZERO));
        assert_eq!(past.wait_after(End::Forgotten, SHORT, "u"), None);
    }
}
