//! Tasks by long-poll, for networks that hold streams back.
//!
//! A single lost poll means nothing: the server takes the session for gone only when no poll was open for 10 s.

use crate::{
    connection::End,
    frame::{self, Frame},
    notice::Notice,
    publisher::Publisher,
    server::{CallError, Server},
};
use hyper::StatusCode;
use std::{mem, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

/// How long the server is asked to hold a poll; shorter ones where something on the way does not wait that long.
const WAITS: [Duration; 3] = [Duration::from_secs(25), Duration::from_secs(10), Duration::from_secs(4)];
/// Without an open poll for this long, the server takes us for gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// Code of the answer to a poll that the server ends because it stops; any other code means another publisher.
const SHUTDOWN: &str = "SHUTDOWN";
/// Between polls that fail one after the other.
const PAUSE: Duration = Duration::from_millis(500);

/// Polls and does what comes, until the server takes us for gone.
pub async fn follow(publisher: &Publisher, server: &Arc<Server>, notice: &mut Notice) -> End {
    let mut woke = publisher.woke();
    tokio::select! {
        end = poll(publisher, server, notice) => end,
        _ = woke.changed() => End::Slept,
    }
}

async fn poll(publisher: &Publisher, server: &Arc<Server>, notice: &mut Notice) -> End {
    let mut patience = Patience::default();
    loop {
        match ask(server, patience.wait()).await {
            Ok(frames) => {
                publisher.has_its_session();
                if patience.answered() {
                    notice.over("connected again");
                    info!("polling {} for tasks", server.endpoint.url);
                }
                for frame in frames {
                    take(frame, publisher, server);
                }
            }
            Err(Miss::Over(end)) => return end,
            Err(Miss::Passing { why, cause }) => {
                let Some(pause) = patience.pause_after(cause, Instant::now()) else { return End::Lost(why) };
                debug!("polling again: {why}");
                sleep(pause).await;
            }
        }
    }
}

fn take(frame: Result<Frame, String>, publisher: &Publisher, server: &Arc<Server>) {
    match frame {
        Ok(frame) => publisher.tasks.handle(frame, server),
        Err(why) => warn!("a task that cannot be understood: {why}"),
    }
}

async fn ask(server: &Server, wait: Duration) -> Result<Vec<Result<Frame, String>>, Miss> {
    let answer = server.poll_tasks(wait).await?;
    frame::parse_polled(&answer).map_err(|why| {
        let why = format!("{} answered a poll with what is no list of tasks: {why}", server.endpoint.url);
        Miss::Passing { why, cause: Cause::Other }
    })
}

/// A poll that brought nothing.
#[derive(Debug)]
enum Miss {
    /// The server said that there is nothing to poll for.
    Over(End),
    /// The next one may bring something.
    Passing { why: String, cause: Cause },
}

/// Why a poll was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Something on the way gave it up; until then it was open at the server.
    Cut,
    /// No answer, however late.
    Silence,
    /// Anything else.
    Other,
}

impl From<CallError> for Miss {
    fn from(error: CallError) -> Self {
        let cause = match (error.status(), &error) {
            (Some(StatusCode::GONE), _) if error.code() == SHUTDOWN => return Self::Over(End::Shutdown),
            // The server had given this session up; the next poll opens it anew.
            (Some(StatusCode::GONE), _) if error.code() == "POLL_ENDED" => Cause::Other,
            (Some(StatusCode::CONFLICT | StatusCode::GONE), _) => return Self::Over(End::Superseded),
            // Without a code it was not the server who said so.
            (Some(StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), _)
                if !error.code().is_empty() =>
            {
                return Self::Over(error.into());
            }
            (Some(StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT), _) => Cause::Cut,
            (_, CallError::TooSlow { .. }) => Cause::Silence,
            _ => Cause::Other,
        };
        Self::Passing { why: error.to_string(), cause }
    }
}

/// How polls went so far.
#[derive(Debug, Default)]
struct Patience {
    connected: bool,
    shortened: usize,
    failing_since: Option<Instant>,
}

impl Patience {
    fn wait(&self) -> Duration {
        WAITS[self.shortened]
    }

    /// Notes an answer; true for the first.
    fn answered(&mut self) -> bool {
        self.failing_since = None;
        !mem::replace(&mut self.connected, true)
    }

    /// How long to wait before the next poll; none when the server takes us for gone by now.
    fn pause_after(&mut self, cause: Cause, now: Instant) -> Option<Duration> {
        let shorter = cause != Cause::Other && self.shorten();
        if shorter && cause == Cause::Cut {
            self.failing_since = None;
            return Some(Duration::ZERO);
        }
        // Before the first answer nothing can be lost, and whoever connects again does so ever more slowly.
        if !self.connected {
            return None;
        }
        match self.failing_since {
            None => {
                self.failing_since = Some(now);
                Some(Duration::ZERO)
            }
            Some(since) => (now < since + GONE_AFTER).then_some(PAUSE),
        }
    }

    fn shorten(&mut self) -> bool {
        let shorter = self.shortened + 1 < WAITS.len();
        self.shortened += usize::from(shorter);
        shorter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpctl_events::wire::error::ErrorBody;

    fn refused(status: StatusCode, code: &str) -> Miss {
        let body = ErrorBody { error: "no".to_owned(), code: code.to_owned(), details: Vec::new() };
        CallError::Refused { url: "http://h".to_owned(), status, body }.into()
    }

    #[test]
    fn what_a_refused_poll_means() {
        assert!(matches!(refused(StatusCode::GONE, "SHUTDOWN"), Miss::Over(End::Shutdown)));
        assert!(matches!(refused(StatusCode::GONE, "SUPERSEDED"), Miss::Over(End::Superseded)));
        assert!(matches!(refused(StatusCode::GONE, "POLL_ENDED"), Miss::Passing { cause: Cause::Other, .. }));
        assert!(matches!(refused(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"), Miss::Over(End::Forgotten)));
        assert!(matches!(refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"), Miss::Over(End::Lost(_))));
        for (status, expected) in [(504, Cause::Cut), (408, Cause::Cut), (502, Cause::Other), (404, Cause::Other)] {
            let miss = refused(StatusCode::from_u16(status).expect("a status"), "");
            assert!(matches!(miss, Miss::Passing { cause, .. } if cause == expected), "{status}");
        }
    }

    #[test]
    fn only_ten_seconds_of_failures_end_it() {
        let (mut patience, began) = (Patience::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(patience.pause_after(Cause::Other, began), None, "before the first answer");
        assert!(patience.answered() && !patience.answered());
        assert_eq!(patience.pause_after(Cause::Other, began), Some(Duration::ZERO));
        assert_eq!(patience.pause_after(Cause::Other, began + 9 * second), Some(PAUSE));
        assert_eq!(patience.pause_after(Cause::Other, began + 10 * second), None);
        patience.answered();
        assert_eq!(patience.pause_after(Cause::Silence, began + 11 * second), Some(Duration::ZERO), "begins anew");
    }

    #[test]
    fn what_is_cut_is_asked_for_shorter() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        for expected in WAITS {
            assert_eq!(patience.wait(), expected);
            patience.pause_after(Cause::Cut, now);
        }
        assert_eq!(patience.wait(), WAITS[2], "no shorter than that");
        assert_eq!(patience.pause_after(Cause::Cut, now), None, "the shortest are no better");
    }
}
