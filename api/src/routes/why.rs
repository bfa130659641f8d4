//! `GET /api/v1/agents/:name/why` and `/llms/:name/why`: how a row stands, with all that its being callable hangs on.

use super::{events::read, past::PastQuery, rows::MinSequence};
use crate::{app::App, error::ApiError, past};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use mcpctl_events::{
    decide::holder,
    event::{
        Body, Subject,
        row::{Kind, Status},
    },
    log::EventLog,
    name::{Name, SessionId},
    state::{Agent, Llm, Row, State as Registry},
    time::LogTime,
    wire::{
        error::ErrorBody,
        why::{Facts, Limits, PoolStanding, Publisher, RegistryEvent, Standing},
    },
};
use mcpctl_projector::store::{EventFilter, EventRef};
use std::{collections::HashMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// Events of the registry that are told.
const REGISTRY_EVENTS: u32 = 10;

/// Tells how an agent stands, and what it is pinned to.
#[utoipa::path(get, path = "/api/v1/agents/{name}/why", operation_id = "agentFacts", tag = "audit",
    params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Facts), (status = "default", body = ErrorBody)))]
pub async fn of_agent(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Json<Facts>, ApiError> {
    facts(&app, query.as_of.as_deref(), |moment| {
        let Some(agent) = past::find(&moment.state.agents, &name) else { return Found::default() };
        let pin = &agent.definition.llm;
        let llm = pin.id.and_then(|id| moment.state.llms.by_id(id)).map(|llm| moment.llm(llm));
        let pool = pin.id.is_none().then(|| moment.pool(&pin.name)).flatten();
        Found { row: Some(moment.agent(agent)), llm, pool }
    })
    .await
}

/// Tells how an Llm stands, or a pool of this name.
#[utoipa::path(get, path = "/api/v1/llms/{name}/why", operation_id = "llmFacts", tag = "audit",
    params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Facts), (status = "default", body = ErrorBody)))]
pub async fn of_llm(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Json<Facts>, ApiError> {
    facts(&app, query.as_of.as_deref(), |moment| {
        let row = past::find(&moment.state.llms, &name);
        let pool = if row.is_none() { moment.pool(&name) } else { None };
        Found { row: row.map(|row| moment.llm(row)), llm: None, pool }
    })
    .await
}

#[derive(Default)]
struct Found {
    row: Option<Standing>,
    llm: Option<Standing>,
    pool: Option<PoolStanding>,
}

async fn facts(
    app: &Arc<App>,
    as_of: Option<&str>,
    find: impl FnOnce(&Moment<'_>) -> Found,
) -> Result<Json<Facts>, ApiError> {
    let look = |state: &Registry, past: Option<LogTime>| {
        let time = past.unwrap_or_else(|| app.clock.now());
        let moment = Moment::new(app, state, time, past.is_some());
        (find(&moment), time, state.expiry_suspended_until)
    };
    let ((found, time, suspended), sequence, log_id) = if let Some(as_of) = as_of {
        let past = past::at(app, as_of).await?;
        let time = as_of.parse::<LogTime>().map_or(past.state.now, |asked| asked.min(app.clock.now()));
        (look(&past.state, Some(time)), past.admission.last_sequence, past.admission.log_id)
    } else {
        let replica = app.replica();
        (look(&replica.state, None), replica.admission.last_sequence, replica.admission.log_id)
    };
    // The history that is read next is to hold all that is told here.
    MinSequence::from(sequence).settle(app).await?;
    Ok(Json(Facts {
        sequence,
        time: time.to_string(),
        past: as_of.is_some(),
        row: found.row,
        llm: found.llm,
        pool: found.pool,
        expiry_suspended_until: suspended.map(|until| until.to_string()),
        limits: limits(app),
        registry: registry_events(app, log_id, sequence).await?,
    }))
}

fn limits(app: &App) -> Limits {
    let args = &app.config.args;
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Limits {
        heartbeat_timeout_ms: ms(args.heartbeat_timeout),
        inactive_retention_ms: ms(args.inactive_retention),
        disconnect_grace_ms: ms(args.disconnect_grace),
        gc_interval_ms: ms(args.gc_interval),
    }
}

async fn registry_events(app: &App, log_id: Option<Uuid>, until: u64) -> Result<Vec<RegistryEvent>, ApiError> {
    let Some(log_id) = log_id else { return Ok(Vec::new()) };
    let subject = Some(Subject::Registry(log_id).to_string());
    let filter = EventFilter {
        subject,
        until: Some(until),
        newest_first: true,
        limit: REGISTRY_EVENTS,
        ..EventFilter::default()
    };
    let found = app.tables.events(&filter).await?.value;
    let log = app.log.clone();
    let told = move || found.iter().filter_map(|event| told(&*log, event).transpose()).collect();
    tokio::task::spawn_blocking(told).await.map_err(ApiError::internal)?
}

/// Without what only an audit may read.
fn told(log: &dyn EventLog, event: &EventRef) -> Result<Option<RegistryEvent>, ApiError> {
    let record = read(log, event)?;
    let index = usize::try_from(event.sequence - record.header.first_sequence).ok();
    let (what, reason) = match index.and_then(|index| record.events.get(index)).map(|event| &event.body) {
        Some(Body::WriterElected(_)) => ("writer_elected", None),
        Some(Body::ExpirySuspended(suspended)) => ("expiry_suspended", Some(suspended.reason.clone())),
        Some(Body::ExpiryResumed(_)) => ("expiry_resumed", None),
        Some(_) => return Ok(None),
        None => return Err(ApiError::event_missing(event.sequence)),
    };
    let time = record.decided_at.to_string();
    Ok(Some(RegistryEvent { sequence: event.sequence, time, what: what.to_owned(), reason }))
}

/// The registry at one moment.
struct Moment<'a> {
    app: &'a App,
    state: &'a Registry,
    time: LogTime,
    is_past: bool,
    users: HashMap<Uuid, &'a Name>,
}

impl<'a> Moment<'a> {
    fn new(app: &'a App, state: &'a Registry, time: LogTime, is_past: bool) -> Self {
        let users = state.users.iter().map(|(name, id)| (*id, name)).collect();
        Self { app, state, time, is_past, users }
    }

    fn llm(&self, llm: &Llm) -> Standing {
        Standing { held_by: holder(self.state, llm), ..self.standing(llm) }
    }

    fn agent(&self, agent: &Agent) -> Standing {
        Standing { pin: Some(agent.definition.llm.name.to_string()), ..self.standing(agent) }
    }

    fn pool(&self, name: &str) -> Option<PoolStanding> {
        let members = self.state.pool(name)?.map(|llm| self.standing(llm)).collect();
        Some(PoolStanding { name: name.to_owned(), members })
    }

    fn standing<D>(&self, row: &Row<D>) -> Standing {
        let args = &self.app.config.args;
        let session = row.session.as_ref();
        let heard = session.and_then(|session| self.app.leases.get(session)).map(|lease| lease.heard_at());
        let heard = row.last_heartbeat_at.max(heard.filter(|_| !self.is_past));
        let is_virtual = row.kind == Kind::Virtual;
        let expires = session.filter(|_| is_virtual && row.is_live()).and_then(|session| self.expiry(session));
        let kept = row.inactive_since.filter(|_| is_virtual && row.status == Status::Inactive);
        Standing {
            name: row.name.to_string(),
            kind: row.kind.as_str().to_owned(),
            status: row.status.as_str().to_owned(),
            disabled: row.disabled,
            connected: !is_virtual || session.is_some_and(|session| self.is_bound(session)),
            pin: None,
            publisher: session.map(|session| self.publisher(session)),
            owner: self.user(row.owner),
            last_heartbeat_at: heard.map(|at| at.to_string()),
            inactive_since: row.inactive_since.map(|at| at.to_string()),
            expires_at: expires.map(|at| at.to_string()),
            deleted_after: kept.map(|since| since.plus(args.inactive_retention).to_string()),
            held_by: None,
        }
    }

    /// In the past, whichever process held the stream then.
    fn is_bound(&self, session: &SessionId) -> bool {
        let Some(connection) = self.state.sessions.get(session).and_then(|session| session.connection.as_ref()) else {
            return false;
        };
        self.is_past || self.app.holds(session, connection)
    }

    /// Leases run on the monotonic clock, and only now.
    fn expiry(&self, session: &SessionId) -> Option<LogTime> {
        let lease = self.app.leases.get(session).filter(|_| !self.is_past)?;
        let timeout = self.app.config.args.heartbeat_timeout;
        let silence = lease.silence(self.app.clock.uptime());
        // It may be over already, and the sweep still to come.
        let ends = self.time.plus(timeout.saturating_sub(silence)).minus(silence.saturating_sub(timeout));
        Some(ends.max(self.state.expiry_suspended_until.unwrap_or_default()))
    }

    fn publisher(&self, session: &SessionId) -> Publisher {
        let user = self.state.sessions.get(session).and_then(|session| self.user(session.user_id));
        Publisher { session: session.to_string(), user }
    }

    fn user(&self, id: Uuid) -> Option<String> {
        self.users.get(&id).map(ToString::to_string)
    }
}
