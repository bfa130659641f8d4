//! What commands would do: they are decided on a copy of the registry, and written nowhere.

use crate::{app::App, auth::Caller, error::ApiError};
use mcpctl_events::{
    command::Command,
    decide::{Context, Quotas, decide},
    hash::Hash,
    record::{Actor, Header, MAX_RECORD_BYTES, Record, RecordKind, VERSION},
    rejection::Rejection,
    replica::fold_commit,
    state::State,
};
use std::sync::Arc;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Copies that may be there at once: each is as large as the registry.
const AT_ONCE: usize = 2;

/// Whose turn it is to rehearse.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Semaphore>);

impl Default for Stage {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A copy of the registry, and what was decided on it.
pub struct Rehearsal {
    /// The registry as it would be.
    pub state: State,
    sequence: u64,
    actor: Actor,
    context: Context,
}

/// Has a caller's commands decided, in a thread where that may take its time.
pub async fn rehearse<T: Send + 'static>(
    app: &Arc<App>,
    caller: &Caller,
    of: impl FnOnce(&App, Rehearsal) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let turn = app.stage.0.clone().acquire_owned().await.map_err(ApiError::internal)?;
    let (app, actor) = (app.clone(), caller.actor());
    let rehearsed = move || {
        // Ends with the copy and not with the caller, who may be gone before.
        let _turn = turn;
        of(&app, Rehearsal::new(&app, actor))
    };
    tokio::task::spawn_blocking(rehearsed).await.map_err(ApiError::internal)
}

impl Rehearsal {
    fn new(app: &App, actor: Actor) -> Self {
        let args = &app.config.args;
        let quotas = Quotas { rows_per_session: args.max_rows_per_session, rows_per_user: args.max_rows_per_user };
        let replica = app.replica();
        let (state, admission) = (replica.state.clone(), &replica.admission);
        let now = app.clock.now().max(state.now);
        let context = Context { now, log_id: admission.log_id.unwrap_or_default(), quotas };
        Self { state, sequence: admission.last_sequence, actor, context }
    }

    /// Decides a command, and lets it have happened; whether that would change anything.
    ///
    /// # Errors
    /// Why the writer would refuse it.
    pub fn decide(&mut self, command: &Command) -> Result<bool, Rejection> {
        let events = decide(&self.state, command, self.context)?;
        if events.is_empty() {
            return Ok(false);
        }
        let (first_sequence, count) = (self.sequence + 1, events.len() as u64);
        let header = Header {
            v: VERSION,
            log_id: self.context.log_id,
            term: 1,
            writer: Uuid::nil(),
            kind: RecordKind::Commit,
            first_sequence,
            count,
            prev_hash: Hash::NONE,
        };
        let (command_id, decided_at, actor) = (Uuid::nil(), self.context.now, self.actor.clone());
        let record = Record { header, command_id, idempotency: None, decided_at, actor, events };
        let bytes = record.encode().len();
        if bytes > MAX_RECORD_BYTES {
            return Err(Rejection::RecordTooLarge { bytes, limit: MAX_RECORD_BYTES });
        }
        fold_commit(&mut self.state, decided_at, &record.events, None, first_sequence);
        self.sequence += count;
        Ok(true)
    }
}
