//! `POST /api/v1/audit/verify` and `/rebuild`: long walks along the log, which tell how far they are.

use crate::{app::App, auth::Caller, error::ApiError};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use mcpctl_events::wire::{
    NDJSON,
    audit::{self, Step},
    error::ErrorBody,
};
use mcpctl_projector::{
    Kept, Progress,
    rebuild::{Rebuilt, rebuild as rebuild_tables},
    verify::{Report, verify as verify_tables},
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::DropGuard;

/// How often is told how far it is.
const TELL: Duration = Duration::from_millis(250);

/// Follows the chain of the log from its first record, folds it, and compares the fold with every row of the read
/// tables, with the snapshots, and with what the server holds in memory. A client that goes away ends it.
#[utoipa::path(post, path = "/api/v1/audit/verify", operation_id = "verify", tag = "audit",
    responses((status = 200, description = "lines of progress, then what was found", content_type = "application/x-ndjson", body = Step),
        (status = "default", body = ErrorBody)))]
pub async fn verify(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the log")?;
    Ok(walk(&app, |app, progress| async move {
        let looking = app.clone();
        let Ok(kept) = tokio::task::spawn_blocking(move || kept(&looking)).await else {
            return Step::Failed { error: "the server stops".to_owned() };
        };
        match verify_tables(&app.log, &app.tables, kept, &progress).await {
            Ok(report) => Step::Verified(found(&report)),
            Err(error) => Step::Failed { error: error.to_string() },
        }
    }))
}

/// Fills new read tables from the log and puts them in the place of the old ones, which are read until then; snapshots
/// are made anew, too. A client that goes away before that ends it, and nothing was changed.
#[utoipa::path(post, path = "/api/v1/audit/rebuild", operation_id = "rebuild", tag = "audit",
    responses((status = 200, description = "lines of progress, then what was made", content_type = "application/x-ndjson", body = Step),
        (status = "default", body = ErrorBody)))]
pub async fn rebuild(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the read tables")?;
    Ok(walk(&app, |app, progress| async move {
        match rebuild_tables(&app.log, app.tables.database(), &progress).await {
            Ok(Rebuilt { generation, sequence }) => {
                // By itself it turns only where the old ones name the new ones, and those may be gone.
                if let Err(error) = app.tables.refresh().await {
                    return Step::Failed { error: format!("new tables were made, and cannot be opened: {error}") };
                }
                let made_anew = app.clone();
                let _ = tokio::task::spawn_blocking(move || made_anew.past.give_up()).await;
                Step::Rebuilt(audit::Rebuilt { generation, sequence })
            }
            Err(error) => Step::Failed { error: format!("nothing was changed: {error}") },
        }
    }))
}

/// What else is made from the log here. Blocks.
fn kept(app: &App) -> Vec<Kept> {
    let memory = app.replica().clone();
    let sequence = memory.admission.last_sequence;
    let mut kept = app.past.snapshots.kept(&app.log);
    kept.extend(app.past.kept());
    kept.push(Kept { place: "memory at", sequence, load: Box::new(|| Some(memory)) });
    kept
}

fn found(report: &Report) -> audit::Verified {
    audit::Verified {
        sequence: report.log,
        hash: report.head.to_string(),
        tables: report.sequence,
        rows: report.rows,
        count: report.count,
        differences: report.differences.iter().map(ToString::to_string).collect(),
    }
}

/// A walk under way, for whoever reads its lines.
struct Walk {
    end: oneshot::Receiver<Step>,
    progress: Progress,
    of: u64,
    /// Ends the walk with the answer.
    _stop: DropGuard,
}

/// Answers with the lines of a walk. One walk at a time: each takes all that the machine has.
fn walk<F>(app: &Arc<App>, begin: impl FnOnce(Arc<App>, Progress) -> F + Send + 'static) -> Response
where
    F: Future<Output = Step> + Send + 'static,
{
    let wish = app.stopping.child_token();
    let progress = Progress::until(wish.clone());
    let (tell, end) = oneshot::channel();
    let (walking, stop, turns, app) = (progress.clone(), wish.clone(), app.walking.clone(), app.clone());
    let (of, tasks) = (app.replica().admission.last_sequence, app.tasks.clone());
    // A task of its own, so that the next turn comes when the walk has ended and not when its caller is gone.
    tasks.spawn(async move {
        let turn = tokio::select! {
            turn = turns.acquire_owned() => turn,
            () = stop.cancelled() => return,
        };
        let step = begin(app, walking).await;
        drop(turn);
        let _ = tell.send(step);
    });
    let lines = stream::unfold(Some(Walk { end, progress, of, _stop: wish.drop_guard() }), next);
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response()
}

/// The next line, and the walk if there is more of it.
async fn next(walk: Option<Walk>) -> Option<(Result<Bytes, Infallible>, Option<Walk>)> {
    let mut walk = walk?;
    let (step, rest) = match timeout(TELL, &mut walk.end).await {
        Ok(Ok(step)) => (step, None),
        Ok(Err(_)) => (Step::Failed { error: "the server stops".to_owned() }, None),
        Err(_) => (Step::Progress(audit::Progress { sequence: walk.progress.reached(), of: walk.of }), Some(walk)),
    };
    Some((Ok(line(&step)), rest))
}

fn line(step: &Step) -> Bytes {
    // Words and numbers: encoding cannot fail.
    let mut line = serde_json::to_vec(step).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
