//! Waking a model that sleeps: once for all who wait for it, and on the log however it went.

use super::{stopping, streamed};
use crate::{
    app::App,
    error::ApiError,
    limits::Limit,
    relay::places::Way,
    routes::written::tables_reach,
    writer::{Done, system},
};
use axum::http::StatusCode;
use mcpctl_events::{
    command::{Command, Wake, WakeOutcome},
    event::row::Status,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use uuid::Uuid;

/// How long a wake may take where its publisher has not said.
pub const USUAL_WAIT: u32 = 60;
/// How long the calls that waited wait for the read tables.
const TABLES_WAIT: Duration = Duration::from_secs(5);

type Outcome = Option<Result<(), ApiError>>;

/// The wakes that are under way, by the id of the model.
#[derive(Debug, Default)]
pub struct Wakes(Mutex<HashMap<Uuid, Arc<Waking>>>);

#[derive(Debug)]
struct Waking {
    outcome: watch::Receiver<Outcome>,
    /// Bounds the calls that are held.
    held: Semaphore,
    most_held: usize,
}

impl Wakes {
    /// Whether this model is being woken.
    pub fn is_waking(&self, llm: Uuid) -> bool {
        self.lock().contains_key(&llm)
    }

    /// How many calls wait for a wake.
    pub fn held(&self) -> usize {
        self.lock().values().map(|waking| waking.most_held - waking.held.available_permits()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Waking>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the model, or waits for who does so already.
///
/// # Errors
/// 503 with the reason: it is still asleep, and the next call tries again. 429 if too many wait already.
pub async fn up(app: &Arc<App>, way: &Way) -> Result<(), ApiError> {
    let waking = join(app, way);
    let _held = waking.held.try_acquire().map_err(|_| crowded(way))?;
    let mut outcome = waking.outcome.clone();
    let outcome = outcome.wait_for(Option::is_some).await.map_err(|_| stopping())?;
    outcome.clone().unwrap_or(Ok(()))
}

fn join(app: &Arc<App>, way: &Way) -> Arc<Waking> {
    let most_held = app.config.args.queue_depth.max(1);
    let (tell, outcome) = watch::channel(None);
    let waking = Arc::new(Waking { outcome, held: Semaphore::new(most_held), most_held });
    {
        let mut wakes = app.wakes.lock();
        if let Some(waking) = wakes.get(&way.llm.id) {
            return waking.clone();
        }
        wakes.insert(way.llm.id, waking.clone());
    }
    let under_way = UnderWay { app: app.clone(), llm: way.llm.id };
    let (app, way) = (app.clone(), way.clone());
    // On a task of its own: a model that is being loaded stays so, whether or not its first caller is still there.
    app.tasks.clone().spawn(async move {
        let outcome = tokio::select! {
            outcome = wake(&app, &way) => outcome,
            () = app.stopping.cancelled() => Err(stopping()),
        };
        // Who comes from now on finds the row as the outcome left it, or tries anew.
        drop(under_way);
        tell.send_replace(Some(outcome));
    });
    waking
}

/// Takes a wake off the list when it ends, however it ends.
struct UnderWay {
    app: Arc<App>,
    llm: Uuid,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.app.wakes.lock().remove(&self.llm);
    }
}

async fn wake(app: &Arc<App>, way: &Way) -> Result<(), ApiError> {
    let (began, llm) = (Instant::now(), &way.llm);
    let seconds = llm.definition.max_wait_seconds.unwrap_or(USUAL_WAIT);
    let woken = tokio::select! {
        answered = streamed::wake(app, way, Duration::from_secs(seconds.into())) => answered,
        () = asleep_no_more(app, llm.id) => Ok(()),
    };
    // What became of the model says more than what became of the wake.
    let woken = if sleeps(app, llm.id) { woken } else { how_it_stands(app, way) };
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let outcome = match &woken {
        Ok(()) => WakeOutcome::Woken,
        Err(error) => WakeOutcome::Failed(error.message.clone()),
    };
    let command = Command::Wake(Wake { llm: llm.id, name: llm.name.clone(), latency_ms, outcome });
    let written = app.writer.write(command, system("relay"), None).await;
    if let Err(error) = woken {
        let message = format!("Llm '{}' could not be woken: {}", llm.name, error.message);
        return Err(ApiError::unavailable("WAKE_FAILED", message, 5));
    }
    let Done { sequence, .. } = written?;
    tables_reach(app.projected.clone(), sequence, TABLES_WAIT).await;
    Ok(())
}

/// Resolves once the model is no longer asleep, whatever became of it: publishers may also just declare it anew.
async fn asleep_no_more(app: &App, llm: Uuid) {
    let mut progress = app.progress.clone();
    while sleeps(app, llm) && progress.changed().await.is_ok() {}
}

fn sleeps(app: &App, llm: Uuid) -> bool {
    app.look(|state| state.llms.by_id(llm).is_some_and(|row| row.status == Status::Hibernating))
}

fn how_it_stands(app: &App, way: &Way) -> Result<(), ApiError> {
    let status = app.look(|state| state.llms.by_id(way.llm.id).map(|row| row.status));
    match status {
        Some(Status::Active) => Ok(()),
        Some(_) => Err(gone("its publisher does not offer it any more")),
        None => Err(gone("it was deleted meanwhile")),
    }
}

fn gone(reason: &str) -> ApiError {
    ApiError::unavailable("OFFLINE", reason, 30)
}

/// It was woken for this call, and sleeps.
pub fn asleep_again(way: &Way) -> ApiError {
    let message = format!("Llm '{}' was woken and is asleep again", way.llm.name);
    ApiError::unavailable("WAKE_FAILED", message, 5)
}

fn crowded(way: &Way) -> ApiError {
    let message =
        format!("Llm '{}' is being woken, and as many calls wait for it as --queue-depth allows", way.llm.name);
    ApiError { retry_after: Some(5), ..Limit::Queue.refuse(StatusCode::TOO_MANY_REQUESTS, "BUSY", message) }
}
