//! Inference tasks on their way: stored first, sent when there is a publisher, put back when it goes.

mod answer;

pub use answer::{Answer, Follow};

use crate::{
    access,
    app::App,
    call::{
        self, Asked,
        target::{Standing, Target},
    },
    error::ApiError,
    in_the_end::in_the_end,
    relay::places::Given,
    request::ModelRequest,
};
use mcpctl_events::{
    access::{Kind, Verb},
    name::Name,
};
use mcpctl_projector::store::{
    StoreError,
    work::{Asks, InferenceTask, StoredAnswer, StoredError, TaskStatus},
};
use std::{
    collections::{HashMap, HashSet},
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
/// How long a task rests that came back: twice as long each time, so that one that no publisher survives, or wakes for,
/// is no busy loop.
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_mins(1);

/// The paths that a task may ask for.
pub const PATHS: [&str; 4] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

/// Failures that are the publisher's absence, not its answer.
const COMES_BACK: [&str; 10] = [
    "PUBLISHER_DISCONNECTED",
    "PUBLISHER_SILENT",
    "OFFLINE",
    "DISABLED",
    "BUSY",
    "QUEUE_TIMEOUT",
    "WAKE_FAILED",
    "SHUTDOWN",
    "NO_WRITER",
    "OUTCOME_UNKNOWN",
];

/// The tasks under way, and who is to look when there is something to do.
#[derive(Debug, Default)]
pub struct Durable {
    running: Mutex<HashMap<Uuid, Running>>,
    /// Until when tasks that came back rest, and models that did not wake.
    resting: Mutex<HashMap<String, Instant>>,
    changed: Notify,
}

#[derive(Debug, Clone)]
struct Running {
    cancelled: CancellationToken,
    answer: Arc<Answer>,
    /// Name of the model that it was sent to last.
    sent_to: Arc<Mutex<Option<Name>>>,
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
        let begun = Running { cancelled: CancellationToken::new(), answer: Arc::default(), sent_to: Arc::default() };
        running.insert(id, begun.clone());
        Some(begun)
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task or target is left alone for now.
    fn rests(&self, what: &str) -> bool {
        self.resting().get(what).is_some_and(|until| *until > Instant::now())
    }

    fn rest(&self, what: String, attempts: u64) {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let rest = (FIRST_REST * 2_u32.pow(doublings)).min(LONGEST_REST);
        let mut resting = self.resting();
        resting.retain(|_, until| *until > Instant::now());
        resting.insert(what, Instant::now() + rest);
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
    let swept = app.work.sweep_tasks(now.minus(LONGEST_WAIT), now.minus(KEPT), error, now).await;
    if let Err(error) = swept.and(put_lost_back(app).await) {
        tracing::warn!(%error, "old inference tasks stay");
    }
}

/// What is under way by the store, but not here, was lost on its way; what is here, but cancelled by the store, another
/// server was asked to cancel that got no answer from this one.
async fn put_lost_back(app: &App) -> Result<(), StoreError> {
    let here: Vec<_> = app.durable.running().keys().copied().collect();
    let under_way = app.work.tasks_under_way().await?;
    for id in &under_way {
        if !app.durable.running().contains_key(id) {
            app.work.put_task_back(*id).await?;
        }
    }
    for id in here.into_iter().filter(|id| !under_way.contains(id)) {
        if app.work.task(id, None).await?.is_some_and(|task| task.status == TaskStatus::Cancelled) {
            app.durable.cancel(id);
        }
    }
    Ok(())
}

/// Begins every pending task that has a place at its model, or a model to wake; whether there are any pending.
async fn look(app: &Arc<App>) -> Result<bool, StoreError> {
    let (mut after, mut without) = (Uuid::nil(), HashSet::new());
    loop {
        let page = app.work.pending_tasks(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(!after.is_nil()) };
        after = last.asked.id;
        for task in page {
            if app.durable.running().len() >= AT_ONCE {
                return Ok(true);
            }
            let asks = task.asked.asks;
            if without.contains(&asks) || app.durable.rests(&task.asked.id.to_string()) {
                continue;
            }
            match way_to(app, &asks) {
                // Whoever waits in line for a place would keep others from theirs.
                None => drop(without.insert(asks)),
                Some(WayTo::Place(given)) => begin(app, task.asked.id, Some(given)),
                Some(WayTo::Wake) => {
                    begin(app, task.asked.id, None);
                    without.insert(asks);
                }
            }
        }
    }
}

enum WayTo {
    Place(Given),
    Wake,
}

/// How a task can go on right now.
fn way_to(app: &Arc<App>, asks: &Asks) -> Option<WayTo> {
    let target = target(app, asks)?;
    let sleeper = match target.standing(app, &[]).ok()? {
        Standing::Awake(mut ways, sleeper) => {
            // What did not wake elsewhere is not asked for again at once.
            let rests = app.durable.rests(target.name());
            ways.retain(|way| !(rests && way.is_asleep()));
            if let Some(given) = app.places.take(target.name(), &ways, || 0) {
                return Some(WayTo::Place(given));
            }
            match sleeper {
                Some(way) if way.elsewhere.is_some() => {
                    ways.extend(Some(way).filter(|_| !rests));
                    return app.places.take(target.name(), &ways, || 0).map(WayTo::Place);
                }
                sleeper => sleeper,
            }
        }
        Standing::Asleep(sleeper) => Some(sleeper),
        Standing::Away(_) => None,
    };
    let sleeper = sleeper.filter(|way| !app.wakes.is_waking(way.llm.id) && !app.durable.rests(target.name()));
    sleeper.map(|_| WayTo::Wake)
}

/// What a task asks, if it is there.
pub fn target(app: &App, asks: &Asks) -> Option<Target> {
    app.look(|state| match asks {
        Asks::Llm(name) => state.llms.get(name).map(|llm| Target::Llm(llm.id, name.clone())),
        Asks::Pool(name) => state.pool(name).is_some().then(|| Target::Pool(name.clone())),
    })
}

fn begin(app: &Arc<App>, id: Uuid, given: Option<Given>) {
    let Some(running) = app.durable.begin(id) else { return };
    let under_way = UnderWay { app: app.clone(), id };
    app.tasks.spawn(async move {
        let app = under_way.app.clone();
        let outcome = tokio::select! {
            outcome = attempt(&app, id, given, &running) => outcome,
            () = running.cancelled.cancelled() => return,
        };
        // It stays on the list until its outcome is stored: nobody else begins it meanwhile.
        let stored = || settle(&app, id, &outcome, &running);
        in_the_end("the outcome of an inference task", app.failing.clone(), stored).await;
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

/// How an attempt ended.
enum Outcome {
    /// It was no longer pending.
    Nothing,
    Answered(StoredAnswer),
    Failed(StoredError),
    /// It waits for a publisher again.
    Back,
}

async fn attempt(app: &Arc<App>, id: Uuid, given: Option<Given>, running: &Running) -> Outcome {
    let task = match app.work.claim_task(id, app.clock.now()).await {
        Ok(Some(task)) => task,
        Ok(None) => return Outcome::Nothing,
        Err(error) => {
            tracing::warn!(%error, task = %id, "an inference task could not be begun; it is put back");
            return Outcome::Back;
        }
    };
    let (Asks::Llm(name) | Asks::Pool(name)) = &task.asked.asks;
    if !access::may(app, task.asked.owner, Verb::Run, Kind::Llm, name) {
        let error = format!("whoever left it may not run llm/{name} any more");
        return Outcome::Failed(StoredError { error, code: "FORBIDDEN".to_owned() });
    }
    match ask(app, &task, given, running).await {
        Ok(answer) => Outcome::Answered(answer),
        Err(error) if COMES_BACK.contains(&&*error.code) => {
            app.durable.rest(id.to_string(), task.attempts);
            if error.code == "WAKE_FAILED" {
                let (Asks::Llm(name) | Asks::Pool(name)) = task.asked.asks;
                app.durable.rest(name, u64::MAX);
            }
            Outcome::Back
        }
        Err(error) => Outcome::Failed(StoredError { error: error.message, code: error.code.into_owned() }),
    }
}

async fn ask(
    app: &Arc<App>,
    task: &InferenceTask,
    given: Option<Given>,
    running: &Running,
) -> Result<StoredAnswer, ApiError> {
    let gone = || ApiError::unavailable("OFFLINE", "nobody of that name is there", 30);
    let target = target(app, &task.asked.asks).ok_or_else(gone)?;
    let path = PATHS.into_iter().find(|path| *path == task.asked.path).unwrap_or(PATHS[0]);
    let request = ModelRequest::read(task.asked.request.clone().into())?;
    let asked = Asked { path, request, late_error: call::error_event, may_wait: false };
    let sent = |llm: &Name| {
        *running.sent_to() = Some(llm.clone());
        let (work, id, llm) = (app.work.clone(), task.asked.id, llm.clone());
        app.tasks.spawn(async move {
            if let Err(error) = work.task_runs(id, &llm).await {
                tracing::debug!(%error, task = %id, "an inference task runs, but is not shown so");
            }
        });
    };
    let reply = call::ask_from(app, &target, &asked, given, sent).await?;
    running.answer.take(reply).await
}

async fn settle(app: &App, id: Uuid, outcome: &Outcome, running: &Running) -> Result<(), StoreError> {
    let outcome = match outcome {
        Outcome::Nothing => return Ok(()),
        Outcome::Back => return app.work.put_task_back(id).await.map(drop),
        Outcome::Answered(answer) => Ok(answer.clone()),
        Outcome::Failed(error) => Err(error.clone()),
    };
    let sent_to = running.sent_to().as_ref().map(ToString::to_string);
    app.work.finish_task(id, outcome, sent_to, app.clock.now()).await
}

impl Running {
    fn sent_to(&self) -> MutexGuard<'_, Option<Name>> {
        self.sent_to.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
