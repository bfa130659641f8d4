//! The orderly end of a server, within the time that whoever stops it gives.

use super::{
    background::{Background, sign_head},
    open::Parts,
};
use crate::app::App;
use std::time::Duration;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// How long, where others may lead, the writer may take to resign before everything else begins to end.
const RESIGNED: Duration = Duration::from_secs(2);
/// How long another one may take to lead until then; there may be none.
const HANDED_OVER: Duration = Duration::from_millis(500);
/// How long calls under way may go on.
const ANSWERS: Duration = Duration::from_secs(6);
/// How long, after that, callers have to take what they are owed before their connections are cut.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// From the wish to stop to the end of everything; the promise is 10 s.
const ALL: Duration = Duration::from_secs(8);

pub(super) async fn stop(parts: Parts, background: Background, accepting: Option<JoinHandle<()>>) {
    let Parts { app, threads, projector, work, last } = parts;
    let begun = Instant::now();
    let end = begun + ALL;
    background.abort();
    // Others lead at once, however long callers here take to the end of their answers; what is still written for them is
    // handed over. Until it is known who leads, this one refuses what others hand over to it: where connections ended
    // under them, they would not know what became of it.
    if let Some(cluster) = &app.cluster {
        stop_writing(&app, begun + RESIGNED).await;
        let _ = timeout(HANDED_OVER, cluster.another_leads()).await;
    }
    app.stopping.cancel();
    app.relay.close_all();
    if let Some(accepting) = accepting {
        let _ = timeout_at(end, accepting).await;
    }
    end_connections(&app, begun + ANSWERS).await;
    app.tools.close().await;
    let _ = timeout_at(end, crate::uses::save(&app)).await;
    if app.cluster.is_none() {
        stop_writing(&app, end).await;
    }
    last.cancel();
    let _ = timeout_at(end, projector).await;
    let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
    let _ = timeout_at(end, joined).await;
    // A start without it only takes longer.
    let saved = app.clone();
    let saving = tokio::task::spawn_blocking(move || {
        sign_head(&saved);
        saved.past.snapshots.save_memory(&saved.replica());
    });
    let _ = timeout_at(end, saving).await;
    drop(app);
    let _ = timeout_at(end, work).await;
}

async fn stop_writing(app: &App, end: Instant) {
    if timeout_at(end, app.writer.stop()).await.is_err() {
        tracing::warn!("the writer did not end in time; what it acknowledged is on the log");
    }
}

/// Lets requests end by themselves until `answered`, then fails the calls under way, then cuts what is left.
async fn end_connections(app: &App, answered: Instant) {
    app.tasks.close();
    if timeout_at(answered, app.tasks.wait()).await.is_ok() {
        return;
    }
    app.relay.fail_all();
    app.failing.cancel();
    if timeout_at(answered + LAST_WORDS, app.tasks.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(requests = app.tasks.len(), "some requests did not end in time and are cut");
    app.cut.cancel();
    let _ = timeout_at(answered + 2 * LAST_WORDS, app.tasks.wait()).await;
}
