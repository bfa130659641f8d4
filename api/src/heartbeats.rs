//! What was heard, on the heartbeat stream and in the read tables.
//!
//! Leases are in memory; this keeps what people ask about later: when a publisher was last heard. Once a second at most
//! one record goes to the stream, and now and then what it says into the tables. Where others may lead, it goes there also
//! if nobody was heard: it is the sign that somebody leads.

use crate::{app::App, leases::Leases};
use mcpctl_events::{
    heartbeat::{HeartbeatStream, Heartbeats, MAX_SESSIONS, VERSION},
    leadership::Tenure,
    name::SessionId,
    time::LogTime,
};
use mcpctl_projector::Tables;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::{JoinSet, spawn_blocking};

/// How often a record is written, if anything was heard.
const EVERY: Duration = Duration::from_secs(1);
/// How often what was heard is written to the tables, in rounds of [`EVERY`].
const ROUNDS_A_NOTE: u32 = 5;
/// How often old records are removed.
const FORGET: Duration = Duration::from_mins(10);
/// Records that are read at once.
const PAGE: usize = 1024;

type Heard = BTreeMap<SessionId, LogTime>;

/// Brings tables and leases to what the stream of an earlier process says. `oldest` is how far back to look where the
/// tables know nothing.
///
/// # Errors
/// Nothing depends on it: the caller says so and goes on.
pub async fn catch_up(
    stream: &Arc<dyn HeartbeatStream>,
    tables: &Tables,
    leases: &Leases,
    oldest: LogTime,
) -> anyhow::Result<()> {
    let known = tables.heartbeats().await?;
    // Records are made after what they hold was heard; the tables were written after the records.
    let since = known.iter().map(|(_, at)| *at).max().unwrap_or_default().max(oldest);
    leases.note(known);
    let stream = stream.clone();
    let heard = spawn_blocking(move || read_since(&*stream, since)).await??;
    let heard: Vec<_> = heard.into_iter().collect();
    tables.note_heartbeats(&heard).await?;
    leases.note(heard);
    Ok(())
}

fn read_since(stream: &dyn HeartbeatStream, since: LogTime) -> anyhow::Result<Heard> {
    let (mut heard, mut after) = (Heard::new(), stream.before(since)?);
    loop {
        let page = stream.read(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(heard) };
        after = last.sequence;
        for (session, at) in page.into_iter().flat_map(|entry| entry.heartbeats.sessions) {
            let known = heard.entry(session).or_default();
            *known = at.max(*known);
        }
    }
}

/// Writes until it is dropped.
pub async fn run(app: Arc<App>) {
    let (mut heard_until, mut waiting, mut unnoted) = (Duration::ZERO, Heard::new(), Heard::new());
    let (mut rounds, mut forgotten) = (0_u32, None);
    // A database that is slow does not hold up the sign of life.
    let mut aside = JoinSet::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = app.clock.uptime();
        let tenure = app.writer.tenure();
        if tenure.is_none() && app.cluster.is_some() {
            // Who leads is told, and writes it.
            heard_until = now;
            continue;
        }
        waiting.extend(app.leases.heard_since(heard_until));
        heard_until = now;
        if let Some(record) = next_record(&app, tenure, &mut waiting) {
            unnoted.extend(record.sessions.clone());
            append(&app, record, now).await;
        }
        rounds = rounds.wrapping_add(1);
        while aside.try_join_next().is_some() {}
        if !aside.is_empty() {
            continue;
        }
        if rounds >= ROUNDS_A_NOTE {
            rounds = 0;
            let (app, heard) = (app.clone(), std::mem::take(&mut unnoted));
            aside.spawn(async move { note(&app, heard).await });
        }
        if forgotten.is_none_or(|at| now.saturating_sub(at) >= FORGET) {
            forgotten = Some(now);
            let app = app.clone();
            aside.spawn(async move { forget(&app).await });
        }
    }
}

/// As many of the sessions that wait as one record holds; `None` if there is nothing to say, or this is not the writer.
fn next_record(app: &App, tenure: Option<Tenure>, waiting: &mut Heard) -> Option<Heartbeats> {
    if waiting.is_empty() && app.cluster.is_none() {
        return None;
    }
    let Tenure { log_id, term, writer } = tenure?;
    let mut sessions = std::mem::take(waiting);
    if let Some(beyond) = sessions.keys().nth(MAX_SESSIONS).cloned() {
        *waiting = sessions.split_off(&beyond);
    }
    Some(Heartbeats { v: VERSION, log_id, term, writer, decided_at: app.clock.now(), sessions })
}

async fn append(app: &App, record: Heartbeats, begun: Duration) {
    let stream = app.heartbeats.clone();
    match spawn_blocking(move || stream.append(&record)).await {
        Ok(Ok(_)) => app.writer.signed(begun),
        Ok(Err(error)) => tracing::warn!(%error, "heartbeats are not on their stream"),
        Err(_) => {}
    }
}

async fn note(app: &App, heard: Heard) {
    let heard: Vec<_> = heard.into_iter().collect();
    if let Err(error) = app.tables.note_heartbeats(&heard).await {
        tracing::warn!(%error, "heartbeats are not in the read tables");
    }
}

async fn forget(app: &App) {
    let (stream, before) = (app.heartbeats.clone(), app.clock.now().minus(app.config.args.heartbeat_retention));
    if let Ok(Err(error)) = spawn_blocking(move || stream.forget(before)).await {
        tracing::warn!(%error, "old heartbeats stay on their stream");
    }
}
