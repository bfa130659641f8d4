//! The registry as it was: folded from the log to some point, and kept for the next question about it.

use crate::{
    app::App,
    error::ApiError,
    snapshots::{STEP, Snapshots},
};
use mcpctl_events::{
    replay::{ReplayError, fold_to},
    replica::Replica,
    state::{Row, Table},
    time::LogTime,
};
use mcpctl_projector::Kept;
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Points that are kept: whoever looks back looks more than once.
const KEPT: usize = 4;

/// What a caller's clock may be ahead of this one.
const AHEAD: Duration = Duration::from_mins(1);

/// What was asked about lately.
#[derive(Debug)]
pub struct Past {
    /// The fold at points along the history.
    pub snapshots: Snapshots,
    /// By the sequence that was asked about; a record that goes beyond it is in it whole.
    kept: Mutex<Vec<(u64, Arc<Replica>)>>,
    /// One fold at a time: each takes all that the machine has.
    folding: Arc<Semaphore>,
}

impl Past {
    /// Nothing was asked yet; `snapshots` shorten the way to most points.
    pub fn new(snapshots: Snapshots) -> Self {
        Self { snapshots, kept: Mutex::default(), folding: Arc::new(Semaphore::new(1)) }
    }
}

/// The registry as of a sequence, or of a time, which is inclusive: with the change that this event belongs to, whole.
///
/// # Errors
/// 400: it is neither, or lies beyond the end of the history.
pub async fn at(app: &Arc<App>, as_of: &str) -> Result<Arc<Replica>, ApiError> {
    if let Ok(sequence) = as_of.parse() {
        app.reaches(sequence).await;
    }
    let last = app.replica().admission.last_sequence;
    let sequence = match (as_of.parse::<u64>(), as_of.parse::<LogTime>()) {
        (Ok(sequence), _) if sequence <= last => sequence,
        (Ok(_), _) => return Err(ApiError::invalid("asOf", format!("is above the last sequence, which is {last}"))),
        (_, Ok(time)) if time > app.clock.now().plus(AHEAD) => {
            return Err(ApiError::invalid("asOf", format!("lies in the future: it is {} here", app.clock.now())));
        }
        (_, Ok(time)) => app.tables.last_event_at(time).await?,
        _ => return Err(ApiError::invalid("asOf", "is a sequence, or a time such as 2026-01-31T12:00:00Z")),
    };
    if let Some(kept) = app.past.of(sequence) {
        return Ok(kept);
    }
    let folding = app.past.folding.clone().acquire_owned().await.map_err(ApiError::internal)?;
    if let Some(kept) = app.past.of(sequence) {
        return Ok(kept);
    }
    let app = app.clone();
    let fold = move || {
        // Ends with the fold and not with the caller, who may be gone long before.
        let _folding = folding;
        let epoch = app.past.snapshots.epoch();
        let mut replica = base(&app, sequence).on(&*app.log);
        let workers = available_parallelism().map_or(1, Into::into);
        fold_to(&*app.log, &mut replica, workers, sequence)?;
        let replica = Arc::new(replica);
        app.past.keep(sequence, replica.clone(), epoch);
        Ok::<_, ReplayError>(replica)
    };
    Ok(tokio::task::spawn_blocking(fold).await.map_err(ApiError::internal)??)
}

/// A row by name, or else by id.
pub fn find<'a, D>(table: &'a Table<D>, name_or_id: &str) -> Option<&'a Arc<Row<D>>> {
    table.get(name_or_id).or_else(|| table.by_id(Uuid::parse_str(name_or_id).ok()?))
}

/// The nearest point before `sequence` that is known: from the last questions, or else from the disk.
fn base(app: &App, sequence: u64) -> Replica {
    let kept = app.past.before(sequence);
    let reach = kept.as_ref().map_or(0, |kept| kept.admission.last_sequence + STEP);
    let on_disk = || app.past.snapshots.load(&*app.log, sequence);
    let taken = if reach < sequence { on_disk() } else { None };
    match (kept, taken) {
        (Some(kept), Some(taken)) if kept.admission.last_sequence >= taken.admission.last_sequence => {
            Replica::clone(&kept)
        }
        (Some(kept), None) => Replica::clone(&kept),
        (_, taken) => taken.unwrap_or_default(),
    }
}

impl Past {
    /// Forgets what was made so far: it is folded anew from the log when it is asked for.
    pub fn give_up(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.snapshots.give_up();
        kept.clear();
    }

    /// What is kept, to be compared with the log.
    pub fn kept(&self) -> Vec<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let each = kept.iter().map(|(_, replica)| {
            let replica = replica.clone();
            let sequence = replica.admission.last_sequence;
            Kept { place: "look back at", sequence, load: Box::new(move || Some(Replica::clone(&replica))) }
        });
        each.collect()
    }

    /// The registry as of exactly this sequence, if it is kept.
    fn of(&self, sequence: u64) -> Option<Arc<Replica>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            kept.iter().find(|(asked, replica)| *asked == sequence || replica.admission.last_sequence == sequence);
        found.map(|(_, replica)| replica.clone())
    }

    /// The latest point that is kept and not after this sequence.
    fn before(&self, sequence: u64) -> Option<Arc<Replica>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before =
            kept.iter().map(|(_, replica)| replica).filter(|replica| replica.admission.last_sequence <= sequence);
        before.max_by_key(|replica| replica.admission.last_sequence).cloned()
    }

    /// Keeps one, unless what it was made of was given up meanwhile.
    fn keep(&self, asked: u64, replica: Arc<Replica>, epoch: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.snapshots.epoch() != epoch {
            return;
        }
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((asked, replica));
    }
}
