//! Where async callers leave the runtime's threads to those that wait for files.

use tokio::task::spawn_blocking;

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(value) => value,
        // Work on such a thread is never aborted, so this is its panic, handed on.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Threads that decode a log ahead of its fold.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
