//! What goes on without being asked: sweeps, the writer's health, heartbeats, inference tasks, snapshots.

use crate::{app::App, durable, heartbeats, snapshots::Snapshots};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// How often the writer looks at its own health.
const TICK: Duration = Duration::from_millis(500);
/// How often connections to MCP servers are looked at that nobody uses.
const TOOLS: Duration = Duration::from_secs(30);
/// How often the fold is looked at for a snapshot, and how many events make one worth while.
const SNAPSHOTS: Duration = Duration::from_secs(30);
const EVENTS_A_SNAPSHOT: u64 = 100_000;

/// All background tasks; dropping or aborting this ends them.
pub(super) struct Background(JoinSet<()>);

impl Background {
    pub(super) fn abort(mut self) {
        self.0.abort_all();
    }
}

pub(super) fn spawn(app: &Arc<App>, snapshots: &Snapshots) -> Background {
    let mut set = JoinSet::new();
    let weak = app.clone();
    set.spawn(every(TICK, move || weak.writer.tick()));
    let sweeping = app.clone();
    set.spawn(every(app.config.args.gc_interval.max(Duration::from_millis(10)), move || {
        sweeping.writer.request_sweep();
    }));
    let pooled = app.clone();
    set.spawn(every(TOOLS, move || pooled.tools.close_idle()));
    set.spawn(heartbeats::run(app.clone()));
    set.spawn(durable::run(app.clone()));
    set.spawn(save_snapshots(app.clone(), snapshots.clone()));
    Background(set)
}

async fn every(period: Duration, mut act: impl FnMut()) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        act();
    }
}

async fn save_snapshots(app: Arc<App>, snapshots: Snapshots) {
    let mut saved = app.start_sequence;
    loop {
        tokio::time::sleep(SNAPSHOTS).await;
        // Tables that are behind it at the next start make it useless: then the log is folded from its start.
        let sequence = app.replica().admission.last_sequence;
        if sequence.saturating_sub(saved) >= EVENTS_A_SNAPSHOT {
            saved = sequence;
            let (replica, snapshots) = (app.replica().clone(), snapshots.clone());
            let _ = tokio::task::spawn_blocking(move || snapshots.save(&replica)).await;
        }
    }
}
