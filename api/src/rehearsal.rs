//! What commands would do: they are decided on a copy of the registry, and written nowhere.

use crate::{app::App, auth::Caller, error::ApiError};
use mcpctl_events::{
    command::Command,
    decide::{Context, Quotas, decide},
    hash::Hash,
    leadership::{Draft, StageError, Stamp, Tenure, commit},
    record::{Actor, MAX_RECORD_BYTES},
    rejection::Rejection,
    replica::fold_commit,
    state::State,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};
use uuid::Uuid;

/// Copies that may be there at once: each is as large as the registry.
const AT_ONCE: usize = 2;
/// How long a turn is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is to rehearse.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Semaphore>);

impl Default for Stage {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A copy of the registry, once there is something to decide on it.
pub struct Rehearsal {
    actor: Actor,
    copy: Option<Copied>,
}

struct Copied {
    state: State,
    tenure: Tenure,
    sequence: u64,
    head: Hash,
    context: Context,
}

/// Has a caller's commands decided, in a thread where that may take its time.
///
/// # Errors
/// 503: others are at it, or the server stops.
pub async fn rehearse<T: Send + 'static>(
    app: &Arc<App>,
    caller: &Caller,
    of: impl FnOnce(&App, Rehearsal) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = tokio::select! {
        turn = timeout(PATIENCE, app.stage.0.clone().acquire_owned()) => turn.map_err(|_| busy())?.map_err(ApiError::internal)?,
        () = app.stopping.cancelled() => return Err(stops()),
    };
    let (app, actor) = (app.clone(), caller.actor());
    let rehearsed = move || {
        // Ends with the copy and not with the caller, who may be gone before.
        let _turn = turn;
        of(&app, Rehearsal { actor, copy: None })
    };
    tokio::task::spawn_blocking(rehearsed).await.map_err(ApiError::internal)?
}

fn busy() -> ApiError {
    ApiError::unavailable("BUSY", "others are trying what would happen right now; try again", 1)
}

fn stops() -> ApiError {
    ApiError::unavailable("STOPPING", "the server is stopping", 1)
}

impl Rehearsal {
    /// Looks at the registry as it would be by now.
    pub fn look<T>(&self, app: &App, look: impl FnOnce(&State) -> T) -> T {
        match &self.copy {
            Some(copy) => look(&copy.state),
            None => app.look(look),
        }
    }

    /// Decides a command, and lets it have happened; whether that would change anything.
    ///
    /// # Errors
    /// Why the writer would refuse it; or 503, if the server stops meanwhile.
    pub fn decide(&mut self, app: &App, command: &Command) -> Result<bool, ApiError> {
        if app.stopping.is_cancelled() {
            return Err(stops());
        }
        let copy = self.copy.get_or_insert_with(|| Copied::of(app));
        Ok(copy.decide(&self.actor, command)?)
    }
}

impl Copied {
    fn of(app: &App) -> Self {
        let args = &app.config.args;
        let quotas = Quotas { rows_per_session: args.max_rows_per_session, rows_per_user: args.max_rows_per_user };
        let replica = app.replica();
        let (state, admission) = (replica.state.without_keys(), &replica.admission);
        let log_id = admission.log_id.unwrap_or_default();
        let tenure = Tenure { log_id, term: admission.term, writer: Uuid::nil() };
        let context = Context { now: app.clock.now().max(state.now), log_id, quotas };
        Self { state, tenure, sequence: admission.last_sequence, head: admission.head, context }
    }

    fn decide(&mut self, actor: &Actor, command: &Command) -> Result<bool, Rejection> {
        let events = decide(&self.state, command, self.context)?;
        if events.is_empty() {
            return Ok(false);
        }
        let decided_at = self.context.now;
        let stamp = Stamp { command_id: Uuid::nil(), decided_at, actor: actor.clone() };
        let draft = Draft { stamp, idempotency: None, events: events.clone() };
        if let Err(StageError::TooLarge { bytes }) = commit(self.tenure, self.sequence, self.head, draft) {
            return Err(Rejection::RecordTooLarge { bytes, limit: MAX_RECORD_BYTES });
        }
        fold_commit(&mut self.state, decided_at, &events, None, self.sequence + 1);
        self.sequence += events.len() as u64;
        Ok(true)
    }
}
