//! What must be written, though the disk may be full for a while.

use std::{fmt::Display, time::Duration};
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tries until it is written, or the server stops: the next start takes care of what is left.
pub async fn in_the_end<E: Display, F: Future<Output = Result<(), E>>>(
    what: &'static str,
    stopping: CancellationToken,
    mut attempt: impl FnMut() -> F,
) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = attempt().await {
        // Once, and not every few seconds for each of many.
        if pause == FIRST_PAUSE {
            tracing::warn!(%error, "{what} could not be written yet; trying until it is");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopping.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_until_it_is_done_or_the_server_stops() {
        let (stopping, mut left) = (CancellationToken::new(), 5);
        let attempt = || {
            left -= 1;
            ready(if left == 0 { Ok(()) } else { Err("the disk is full") })
        };
        in_the_end("a turn", stopping.clone(), attempt).await;
        assert_eq!(left, 0);
        stopping.cancel();
        in_the_end("a turn", stopping, || ready(Err::<(), _>("the disk is full"))).await;
    }
}
