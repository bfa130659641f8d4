//! Listening to the replica that leads.

use super::Vigil;
use crate::app::App;
use mcpctl_events::{
    admission::Admission,
    heartbeat::{HeartbeatEntry, Heartbeats},
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::task::spawn_blocking;

/// How often the heartbeat stream is read.
const EVERY: Duration = Duration::from_millis(250);
/// Rounds after which leases of sessions that are no more are forgotten.
const ROUNDS_A_LOOK: u32 = 240;
/// Records that are read at once.
const PAGE: usize = 1024;

/// Reads the heartbeat stream until it is dropped: whether somebody leads, and whom they heard.
pub async fn watch(app: Arc<App>, vigil: Arc<Vigil>) {
    let (mut after, mut rounds) = (None, 0_u32);
    loop {
        let begun = app.clock.uptime();
        match read(&app, after).await {
            Ok((from, page)) => {
                after = Some(page.last().map_or(from, |last| last.sequence));
                if page.is_empty() {
                    vigil.stream_ends(begun);
                } else {
                    take(&app, &vigil, page);
                    continue;
                }
            }
            Err(error) => {
                tracing::debug!(error, "the heartbeat stream cannot be read");
                vigil.stream_is_lost();
            }
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(ROUNDS_A_LOOK) {
            // The registry is not looked at under the leases' lock: others take the two in the other order.
            let known: HashSet<_> = app.look(|state| state.sessions.iter().map(|(id, _)| id.clone()).collect());
            app.leases.retain(|session| known.contains(session));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Reads on after a record, or what comes from now on.
async fn read(app: &App, after: Option<u64>) -> Result<(u64, Vec<HeartbeatEntry>), String> {
    let (stream, now) = (app.heartbeats.clone(), app.clock.now());
    let read = move || {
        let after = after.map_or_else(|| stream.before(now), Ok)?;
        Ok((after, stream.read(after, PAGE)?))
    };
    spawn_blocking(read)
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error: mcpctl_events::log::ReadError| error.to_string())
}

fn take(app: &App, vigil: &Vigil, page: Vec<HeartbeatEntry>) {
    let admission = app.replica().admission.clone();
    for HeartbeatEntry { heartbeats, .. } in page {
        if is_of_the_leader(&heartbeats, &admission) {
            vigil.heard(app.clock.uptime());
        }
        app.leases.note(heartbeats.sessions);
    }
}

/// Whether a record is of the writer that leads, or of a later one whose claim was not read yet. One that was deposed,
/// and does not know it, does not count.
pub(crate) fn is_of_the_leader(record: &Heartbeats, admission: &Admission) -> bool {
    Some(record.log_id) == admission.log_id
        && (record.term > admission.term || (record.term == admission.term && Some(record.writer) == admission.holder))
}
