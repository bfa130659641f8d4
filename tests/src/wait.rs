//! Waiting for what has to happen, never longer than a deadline.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

const STEP: Duration = Duration::from_millis(10);

/// Polls until `look` sees it; panics with `what` after the deadline.
pub async fn eventually<T>(what: impl Display, deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "did not happen within {deadline:?}: {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// Awaits; panics with `what` after the deadline.
pub async fn within<T>(what: impl Display, deadline: Duration, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(deadline, future).await;
    done.unwrap_or_else(|_| panic!("did not happen within {deadline:?}: {what}"))
}
