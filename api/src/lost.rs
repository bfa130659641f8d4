//! What servers that are gone left behind in the work store: turns that fail, inference tasks that wait again.

use crate::{app::App, clock::Clock, config::Config, in_the_end::in_the_end};
use mcpctl_projector::store::{Database, StoreError, work::WorkStore};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often a server says that it is there, where others share its store.
const BEAT: Duration = Duration::from_secs(5);
/// A server that was not seen for so long is gone; far longer than clocks of two machines differ.
const GONE: Duration = Duration::from_mins(1);

fn is_shared(config: &Config) -> bool {
    config.log.is_shared() && matches!(config.db, Database::Postgres(_))
}

/// Says that this server is there, and ends what those left behind that are not.
async fn look(work: &WorkStore, clock: Clock, is_shared: bool) -> Result<(), StoreError> {
    work.beat(clock.now()).await?;
    let ended = work.end_lost(is_shared.then(|| clock.now().minus(GONE))).await?;
    if ended > 0 {
        tracing::info!(ended, "turns and inference tasks of a server that is gone were ended, or wait again");
    }
    Ok(())
}

/// For the start. On a full disk what is there can still be read, and it is done later.
#[expect(clippy::disallowed_methods, reason = "it ends with the server's last step")]
pub async fn end(work: &WorkStore, clock: Clock, config: &Config, last: &CancellationToken) {
    let is_shared = is_shared(config);
    if look(work, clock, is_shared).await.is_ok() {
        return;
    }
    let work = work.clone();
    let attempt = move || {
        let work = work.clone();
        async move { look(&work, clock, is_shared).await }
    };
    tokio::spawn(in_the_end("the end of turns that were cut off", last.clone(), attempt));
}

/// Looks again and again, where servers share their store, until it is dropped.
pub async fn run(app: Arc<App>) {
    if !is_shared(&app.config) {
        return;
    }
    loop {
        tokio::time::sleep(BEAT).await;
        if let Err(error) = look(&app.work, app.clock, true).await {
            tracing::debug!(%error, "what servers left behind is looked at later");
        }
        app.durable.wake();
    }
}
