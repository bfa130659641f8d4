//! What goes on without being asked: sweeps, the writer's health, heartbeats, inference tasks, snapshots.

use crate::{app::App, cluster, durable, heartbeats, lost, subscribers, unwelcome, uses};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// How often the writer looks at its own health.
const TICK: Duration = Duration::from_millis(500);
/// How often it does where another process may have to lead from one moment to the next.
const SHARED_TICK: Duration = Duration::from_millis(50);
/// How often connections to MCP servers are looked at that nobody uses.
const TOOLS: Duration = Duration::from_secs(30);
/// How often is forgotten who asked long ago.
const RATES: Duration = Duration::from_mins(1);
/// How often is saved when tokens were last used.
const USES: Duration = Duration::from_mins(1);
/// How often is looked whether a snapshot is missing.
const SNAPSHOTS: Duration = Duration::from_secs(10);

/// All background tasks; dropping or aborting this ends them.
pub(super) struct Background(JoinSet<()>);

impl Background {
    pub(super) fn abort(mut self) {
        self.0.abort_all();
    }
}

/// What it takes to lead, and no more.
pub(super) fn lead(app: &Arc<App>) -> Background {
    let mut set = JoinSet::new();
    let weak = app.clone();
    let tick = if app.cluster.is_some() { SHARED_TICK } else { TICK };
    set.spawn(every(tick, move || weak.writer.tick()));
    set.spawn(heartbeats::run(app.clone()));
    if let Some(cluster) = &app.cluster {
        set.spawn(cluster::watch(app.clone(), cluster.vigil.clone()));
    }
    Background(set)
}

pub(super) fn spawn(app: &Arc<App>) -> Background {
    let Background(mut set) = lead(app);
    let sweeping = app.clone();
    set.spawn(every(app.config.args.gc_interval, move || {
        sweeping.writer.request_sweep();
    }));
    let rated = app.clone();
    set.spawn(every(RATES, move || rated.limits.rates.tidy()));
    let pooled = app.clone();
    set.spawn(every(TOOLS, move || pooled.tools.close_idle()));
    if let Some(subscribers) = &app.subscribers {
        set.spawn(subscribers::run(app.clone(), subscribers.clone()));
    }
    if app.cluster.is_some() {
        set.spawn(cluster::look_after(app.clone()));
        set.spawn(cluster::end_unbound(app.clone()));
    }
    set.spawn(durable::run(app.clone()));
    set.spawn(lost::run(app.clone()));
    set.spawn(unwelcome::watch(app.clone()));
    set.spawn(save_uses(app.clone()));
    set.spawn(take_snapshots(app.clone()));
    if app.heads.is_some() {
        set.spawn(sign_heads(app.clone()));
    }
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

async fn save_uses(app: Arc<App>) {
    loop {
        tokio::time::sleep(USES).await;
        uses::save(&app).await;
    }
}

async fn take_snapshots(app: Arc<App>) {
    loop {
        tokio::time::sleep(SNAPSHOTS).await;
        let taking = app.clone();
        let fill = move || {
            let last = taking.replica().admission.last_sequence;
            taking.past.snapshots.fill(&*taking.log, last, || taking.stopping.is_cancelled())
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(fill).await {
            tracing::debug!(%error, "no snapshot was taken");
        }
    }
}

async fn sign_heads(app: Arc<App>) {
    loop {
        tokio::time::sleep(app.config.args.head_interval).await;
        let signing = app.clone();
        let _ = tokio::task::spawn_blocking(move || sign_head(&signing)).await;
    }
}

/// Signs where the log ends, if it went on since the last time. Blocks.
pub(super) fn sign_head(app: &App) {
    let admission = app.replica().admission.clone();
    if let Some(heads) = &app.heads {
        heads.sign(&admission, app.clock.now());
    }
}
