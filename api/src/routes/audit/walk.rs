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
use futures_util::{
    future::{Either, select},
    stream,
};
use mcpctl_events::wire::{
    NDJSON,
    audit::{self, Step},
    error::ErrorBody,
};
use mcpctl_projector::{
    Progress,
    rebuild::{Rebuilt, rebuild as rebuild_tables},
    verify::{Report, verify as verify_tables},
};
use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often is told how far it is.
const TELL: Duration = Duration::from_millis(250);

/// Follows the chain of the log from its first record, folds it, and compares the fold with every row of the read
/// tables. A client that goes away ends it.
#[utoipa::path(post, path = "/api/v1/audit/verify", operation_id = "verify", tag = "audit",
    responses((status = 200, description = "lines of progress, then what was found", content_type = "application/x-ndjson", body = Step),
        (status = "default", body = ErrorBody)))]
pub async fn verify(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the log")?;
    Ok(walk(&app, |app, progress| async move {
        match verify_tables(&app.log, &app.tables, &progress).await {
            Ok(report) => Step::Verified(found(&report)),
            Err(error) => Step::Failed { error: error.to_string() },
        }
    }))
}

/// Fills new read tables from the log and puts them in the place of the old ones, which are read until then. A client that
/// goes away before that ends it, and nothing was changed.
#[utoipa::path(post, path = "/api/v1/audit/rebuild", operation_id = "rebuild", tag = "audit",
    responses((status = 200, description = "lines of progress, then what was made", content_type = "application/x-ndjson", body = Step),
        (status = "default", body = ErrorBody)))]
pub async fn rebuild(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the read tables")?;
    Ok(walk(&app, |app, progress| async move {
        match rebuild_tables(&app.log, app.tables.dir(), &progress).await {
            Ok(Rebuilt { generation, sequence }) => Step::Rebuilt(audit::Rebuilt { generation, sequence }),
            Err(error) => Step::Failed { error: format!("nothing was changed: {error}") },
        }
    }))
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
    end: Pin<Box<dyn Future<Output = Step> + Send>>,
    progress: Progress,
    of: u64,
    /// Ends the walk with the answer.
    stop: DropGuard,
}

/// Answers with the lines of a walk. One walk at a time: each takes all that the machine has.
fn walk<F>(app: &Arc<App>, begin: impl FnOnce(Arc<App>, Progress) -> F + Send + 'static) -> Response
where
    F: Future<Output = Step> + Send + 'static,
{
    let wish = CancellationToken::new();
    let progress = Progress::until(wish.clone());
    let (app, walking) = (app.clone(), progress.clone());
    let of = app.replica().admission.last_sequence;
    let end = Box::pin(async move {
        let turn = app.walking.clone().acquire_owned().await;
        let step = begin(app, walking).await;
        drop(turn);
        step
    });
    let walk = Walk { end, progress, of, stop: wish.drop_guard() };
    let lines = stream::unfold(Some(walk), |walk| async {
        let Walk { end, progress, of, stop } = walk?;
        let (step, rest) = match select(end, Box::pin(sleep(TELL))).await {
            Either::Left((step, _)) => (step, None),
            Either::Right(((), end)) => {
                let step = Step::Progress(audit::Progress { sequence: progress.reached(), of });
                (step, Some(Walk { end, progress, of, stop }))
            }
        };
        Some((Ok::<_, Infallible>(line(&step)), rest))
    });
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response()
}

fn line(step: &Step) -> Bytes {
    // Words and numbers: encoding cannot fail.
    let mut line = serde_json::to_vec(step).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
