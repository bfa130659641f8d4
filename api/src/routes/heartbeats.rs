//! `GET /api/v1/heartbeats`: which publishers were heard, second by second, as far back as is kept.

use super::rows::{read, sequence};
use crate::routes::openapi::values::{self, Sequence};
use crate::{app::App, auth::Caller, error::ApiError, json::Problems};
use axum::{
    Extension, Json,
    extract::{Query, State},
    http::StatusCode,
};
use mcpctl_events::{
    heartbeat::HeartbeatEntry,
    name::SessionId,
    wire::{error::ErrorBody, sessions::Heartbeats},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

const DEFAULT_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;

/// Which heartbeats.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HeartbeatsQuery {
    /// Only of this session.
    #[param(value_type = Option<values::SessionId>)]
    session: Option<String>,
    /// Only events above this sequence of their own stream; 410 if some of those are no longer kept.
    #[param(value_type = Option<Sequence>)]
    after: Option<String>,
    /// Events at most: 1,000 by default, 10,000 at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    limit: Option<String>,
}

/// Lists heartbeats, the oldest first: one event a second at most, with all sessions that were heard.
#[utoipa::path(get, path = "/api/v1/heartbeats", operation_id = "listHeartbeats", tag = "audit", params(HeartbeatsQuery),
    responses((status = 200, body = Vec<Heartbeats>), (status = "default", body = ErrorBody)))]
pub async fn index(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<HeartbeatsQuery>,
) -> Result<Json<Vec<Heartbeats>>, ApiError> {
    caller.must_be_admin("audit", "the heartbeats")?;
    let wanted = query.read()?;
    let stream = app.heartbeats.clone();
    let listed = tokio::task::spawn_blocking(move || wanted.list(&*stream)).await.map_err(ApiError::internal)?;
    Ok(Json(listed?))
}

struct Wanted {
    session: Option<SessionId>,
    after: Option<u64>,
    limit: usize,
}

impl HeartbeatsQuery {
    fn read(&self) -> Result<Wanted, ApiError> {
        let problems = Problems::default();
        let most = format!("is a whole number from 1 to {MAX_LIMIT}");
        let limit = |text: &str| text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        let session = |text: &str| SessionId::parse(text).ok();
        let wanted = Wanted {
            session: read(&problems, "session", self.session.as_deref(), "is the id of a session", session),
            after: read(&problems, "after", self.after.as_deref(), "is a sequence", sequence),
            limit: read(&problems, "limit", self.limit.as_deref(), &most, limit).unwrap_or(DEFAULT_LIMIT),
        };
        problems.check(Some(wanted))
    }
}

impl Wanted {
    fn list(&self, stream: &dyn mcpctl_events::heartbeat::HeartbeatStream) -> Result<Vec<Heartbeats>, ApiError> {
        let unreadable = |error| ApiError::unavailable("HEARTBEATS_UNREADABLE", format!("{error}"), 5);
        let mut after = self.after.unwrap_or_default();
        let floor = stream.floor().map_err(unreadable)?;
        if self.after.is_some_and(|after| after < floor) {
            let message = format!("heartbeats up to sequence {floor} are no longer kept; ask for those after {floor}");
            return Err(ApiError::new(StatusCode::GONE, "COMPACTED", message));
        }
        let mut listed = Vec::new();
        while listed.len() < self.limit {
            let page = stream.read(after, DEFAULT_LIMIT).map_err(unreadable)?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            listed.extend(page.into_iter().filter_map(|entry| self.shown(entry)));
        }
        listed.truncate(self.limit);
        Ok(listed)
    }

    fn shown(&self, entry: HeartbeatEntry) -> Option<Heartbeats> {
        let mut sessions = entry.heartbeats.sessions;
        if let Some(wanted) = &self.session {
            sessions.retain(|session, _| session == wanted);
        }
        let sessions = sessions.into_iter().map(|(session, at)| (session.to_string(), at.to_string())).collect();
        let shown = Heartbeats { sequence: entry.sequence, time: entry.heartbeats.decided_at.to_string(), sessions };
        (!shown.sessions.is_empty()).then_some(shown)
    }
}
