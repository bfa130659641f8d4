//! Inference tasks on their way: stored first, sent when there is a publisher, put back when it goes.

mod answer;

pub use answer::{Answer, Follow};

use crate::{
    app::App,
    call::{self, Asked, target::Target},
    error::ApiError,
    request::ModelRequest,
};
use mcpctl_events::name::Name;
use mcpctl_projector::store::{
    StoreError,
    work::{Asks, InferenceTask, StoredAnswer, StoredError},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Tasks that are under way at once: callers who wait have the other places.
const AT_ONCE: usize = 32;
/// Tasks that are looked at in one go.
const PAGE: u64 = 256;
/// How often pending tasks are looked at, though nothing seems to have changed.
const LOOK: Duration = Duration::from_secs(1);
/// How often tasks that waited too long end, and old ones are forgotten.
const SWEEP: Duration = Duration::from_mins(5);
/// How long a task may wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How long tasks are kept after their end.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// A task whose publisher left rests before it is tried again, so that one that keeps leaving is no busy loop.
const REST: Duration = Duration::from_millis(200);

/// The paths that a task may ask for.
pub const PATHS: [&str; 4] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

/// Failures that are the publisher's absence, not its answer.
const COMES_BACK: [&str; 8] = [
    "PUBLISHER_DISCONNECTED",
    "PUBLISHER_SILENT",
    "OFFLINE",
    "DISABLED",
    "BUSY",
    "QUEUE_TIMEOUT",
    "WAKE_FAILED",
    "SHUTDOWN",
];

/// The tasks under way, and who is to look when there is something to do.
#[derive(Debug, Default)]
pub struct Durable {
    running: Mutex<HashMap<Uuid, Running>>,
    changed: Notify,
}

#[derive(Debug, Clone)]
struct Running {
    cancelled: CancellationToken,
    answer: Arc<Answer>,
}

impl Durable {
    fn running(&self) -> MutexGuard<'_, HashMap<Uuid, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a task to do.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Drops a task that is under way: its publisher is told.
    pub fn cancel(&self, id: Uuid) {
        if let Some(running) = self.running().get(&id) {
            running.cancelled.cancel();
        }
    }

    /// The answer of a task that is under way.
    pub fn answer(&self, id: Uuid) -> Option<Arc<Answer>> {
        self.running().get(&id).map(|running| running.answer.clone())
    }

    fn begin(&self, id: Uuid) -> Option<Running> {
        let mut running = self.running();
        if running.len() >= AT_ONCE || running.contains_key(&id) {
            return None;
        }
        let begun = Running { cancelled: CancellationToken::new(), answer: Arc::default() };
        running.insert(id, begun.clone());
        Some(begun)
    }

    fn end(&self, id: Uuid) {
        let ended = self.running().remove(&id);
        if let Some(running) = ended {
            running.answer.end();
        }
        self.wake();
    }
}

/// Sends what waits, until it is dropped.
pub async fn run(app: Arc<App>) {
    // What an earlier process had begun begins anew.
    while let Err(error) = app.work.put_task_back(None).await {
        tracing::warn!(%error, "inference tasks wait for the work store");
        sleep(LOOK).await;
    }
    let (mut streams, mut swept) = (app.relay.changes(), None::<Instant>);
    loop {
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            sweep(&app).await;
        }
        let waiting = look(&app).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "inference tasks could not be looked at; trying on");
            true
        });
        // Where nothing waits, nothing is done.
        tokio::select! {
            () = app.durable.changed.notified() => {}
            _ = streams.changed(), if waiting => {}
            () = sleep(LOOK), if waiting => {}
            () = sleep(SWEEP) => {}
        }
    }
}

async fn sweep(app: &App) {
    let now = app.clock.now();
    let error = StoredError {
        error: format!("nobody could answer it within {} h", LONGEST_WAIT.as_secs() / 3600),
        code: "QUEUE_TIMEOUT".to_owned(),
    };
    if let Err(error) = app.work.sweep_tasks(now.minus(LONGEST_WAIT), now.minus(KEPT), error, now).await {
        tracing::warn!(%error, "old inference tasks stay");
    }
}

/// Begins every pending task whose model can be called, as far as there is room; whether there are any.
async fn look(app: &Arc<App>) -> Result<bool, StoreError> {
    let mut after = Uuid::nil();
    loop {
        let page = app.work.pending_tasks(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(!after.is_nil()) };
        after = last.asked.id;
        for task in &page {
            let target = target(app, &task.asked.asks);
            if target.is_some_and(|target| target.is_callable(app)) && app.durable.running().len() < AT_ONCE {
                begin(app, task.asked.id);
            }
        }
        if app.durable.running().len() >= AT_ONCE {
            return Ok(true);
        }
    }
}

/// What a task asks, if it is there.
pub fn target(app: &App, asks: &Asks) -> Option<Target> {
    app.look(|state| match asks {
        Asks::Llm(name) => state.llms.get(name).map(|llm| Target::Llm(llm.id, name.clone())),
        Asks::Pool(name) => state.pool(name).is_some().then(|| Target::Pool(name.clone())),
    })
}

fn begin(app: &Arc<App>, id: Uuid) {
    let Some(running) = app.durable.begin(id) else { return };
    let under_way = UnderWay { app: app.clone(), id };
    app.tasks.spawn(async move {
        let app = under_way.app.clone();
        let outcome = tokio::select! {
            outcome = attempt(&app, id, &running) => outcome,
            () = running.cancelled.cancelled() => return,
        };
        if let Err(error) = settle(&app, id, outcome).await {
            tracing::warn!(%error, task = %id, "the outcome of an inference task is not stored; it begins anew");
        }
        drop(under_way);
    });
}

/// Takes a task off the list when it ends, however it ends.
struct UnderWay {
    app: Arc<App>,
    id: Uuid,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.app.durable.end(self.id);
    }
}

/// How an attempt ended; none if there was nothing to do.
type Outcome = Option<Result<StoredAnswer, ApiError>>;

async fn attempt(app: &Arc<App>, id: Uuid, running: &Running) -> Outcome {
    let task: InferenceTask = app.work.claim_task(id, app.clock.now()).await.ok().flatten()?;
    Some(ask(app, &task, running).await)
}

async fn ask(app: &Arc<App>, task: &InferenceTask, running: &Running) -> Result<StoredAnswer, ApiError> {
    let gone = || ApiError::unavailable("OFFLINE", "nobody of that name is there", 30);
    let target = target(app, &task.asked.asks).ok_or_else(gone)?;
    let path = PATHS.into_iter().find(|path| *path == task.asked.path).unwrap_or(PATHS[0]);
    let request = ModelRequest::read(task.asked.request.clone().into())?;
    let asked = Asked { path, request, late_error: call::error_event };
    let sent = |llm: &Name| {
        let (work, id, llm) = (app.work.clone(), task.asked.id, llm.clone());
        app.tasks.spawn(async move {
            if let Err(error) = work.task_runs(id, &llm).await {
                tracing::debug!(%error, task = %id, "an inference task runs, but is not shown so");
            }
        });
    };
    let reply = call::ask_telling(app, &target, &asked, sent).await?;
    running.answer.take(reply).await
}

async fn settle(app: &App, id: Uuid, outcome: Outcome) -> Result<(), StoreError> {
    let (work, now) = (&app.work, app.clock.now());
    match outcome {
        None => Ok(()),
        Some(Ok(answer)) => work.finish_task(id, Ok(answer), now).await,
        Some(Err(error)) if COMES_BACK.contains(&error.code) => {
            sleep(REST).await;
            work.put_task_back(Some(id)).await.map(drop)
        }
        Some(Err(error)) => {
            let error = StoredError { error: error.message, code: error.code.to_owned() };
            work.finish_task(id, Err(error), now).await
        }
    }
}
