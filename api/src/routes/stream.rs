//! `GET /api/v1/llms/_provider-stream`: the publisher's stream of tasks.

use super::written::tables_reach;
use crate::{
    access,
    app::App,
    auth::Caller,
    call::{
        moves::{KNOWN_SOON, in_time},
        sse_response,
    },
    error::ApiError,
    in_the_end::in_the_end,
    relay::binding::{Binding, End, Features, Next},
    routes::openapi::values,
    server::handover::LongLived,
    unwelcome,
};
use axum::{
    Extension,
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use http_body::Frame;
use mcpctl_events::{
    command::{Command, Connect, Deactivate, Disconnect, Revive},
    event::{
        Body as EventBody,
        row::Cause,
        session::{StreamEnd, Transport},
    },
    name::SessionId,
    rejection::Rejection,
    wire::{
        FEATURE_ACCEPT, FEATURE_ACK, FEATURES_HEADER, SESSION_HEADER,
        publish::{Goodbye, Hello},
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Interval, interval_at};

const OPENS_A_MINUTE: usize = 30;
const MINUTE: Duration = Duration::from_mins(1);
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// How long `hello` waits for the read tables.
const TABLES_WAIT: Duration = Duration::from_secs(5);

/// How often each session opened a stream lately.
#[derive(Debug, Default)]
pub struct Opens(Mutex<HashMap<SessionId, Vec<Instant>>>);

impl Opens {
    /// Counts an open; false if there were too many within a minute.
    fn allow(&self, session: &SessionId, now: Instant) -> bool {
        let mut opens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Instant| now.duration_since(*at) < MINUTE;
        if opens.len() > 1024 && opens.len().is_power_of_two() {
            opens.retain(|_, times| times.iter().any(recent));
        }
        let times = opens.entry(session.clone()).or_default();
        times.retain(recent);
        if times.len() >= OPENS_A_MINUTE {
            return false;
        }
        times.push(now);
        true
    }
}

/// Opens a stream.
#[utoipa::path(get, path = "/api/v1/llms/_provider-stream", tag = "publishing",
    params(("x-mcpctl-provider-session" = values::SessionId, Header)),
    responses((status = 200, description = "server-sent events: hello, task, goodbye; comments as pings"),
        (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn stream(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = session_of(&headers)?;
    let (binding, sequence) = open(&app, &caller, session, &headers, Transport::Sse).await?;
    // The guard is in place before the wait: a publisher that leaves meanwhile is noticed.
    let mut body = StreamBody::new(app.clone(), binding);
    tables_reach(app.projected.clone(), sequence, TABLES_WAIT).await;
    body.greet();
    let mut response = sse_response(Body::new(body));
    response.extensions_mut().insert(LongLived);
    Ok(response)
}

/// The session named by a publisher's request.
pub fn session_of(headers: &HeaderMap) -> Result<SessionId, ApiError> {
    let text = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok());
    let text = text.ok_or_else(|| ApiError::invalid(SESSION_HEADER, "is required: the id of the provider session"))?;
    SessionId::parse(text).map_err(|error| ApiError::invalid(SESSION_HEADER, error.to_string()))
}

/// Commits the connection and binds it; returns it with the sequence of the commit.
pub async fn open(
    app: &Arc<App>,
    caller: &Caller,
    session: SessionId,
    headers: &HeaderMap,
    transport: Transport,
) -> Result<(Arc<Binding>, u64), ApiError> {
    belongs_to(app, &session, caller).await?;
    access::publishes(app, caller, &session)?;
    if let Some(lease) = app.leases.get(&session) {
        lease.renew(app.clock.uptime(), app.clock.now());
    }
    if !app.stream_opens.allow(&session, Instant::now()) {
        let message = format!("session {session} opened {OPENS_A_MINUTE} streams within a minute; wait a little");
        return Err(ApiError {
            retry_after: Some(10),
            ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", message)
        });
    }
    let connect = Connect {
        session: session.clone(),
        user: caller.user.id,
        node: app.advertise_url.clone(),
        boot_id: app.boot_id,
        transport,
    };
    let (app, caller, features) = (app.clone(), caller.clone(), features(headers));
    // On a task of its own: once committed, the stream is bound and ended properly whether or not anyone still reads.
    let opened = app.clone().tasks.spawn(async move {
        let done = app.writer.write(Command::Connect(connect), caller.actor(), None).await?;
        let epoch = done.events.iter().find_map(|event| match &event.body {
            EventBody::SessionConnected(connected) => Some(connected.epoch),
            _ => None,
        });
        let epoch = epoch.ok_or_else(|| ApiError::internal("a connect without its event"))?;
        let binding = Arc::new(Binding::new(session.clone(), epoch, transport, features));
        binding.is_asked_by(&caller);
        app.relay.bind(binding.clone());
        let opened = Opened(Some((app.clone(), binding.clone())));
        // Whoever looked before it was bound did not see it: of the log, which may have gone on, and of its access.
        let (epoch, is_bound) = app.look(|state| {
            state.sessions.get(&session).map_or((0, false), |known| (known.epoch, known.connection.is_some()))
        });
        app.relay.supersede(&session, epoch);
        if epoch == binding.epoch && !is_bound {
            app.relay.give_up(&session, epoch);
        }
        unwelcome::check(&app, &binding)?;
        // The connection revived as many rows as one record holds; these are the others.
        let revive = Revive { session, user: caller.user.id, cause: Cause::Reconnected };
        app.writer.write_all(Command::Revive(revive), "relay").await?;
        Ok::<_, ApiError>((opened, done.sequence))
    });
    let (opened, sequence) = opened.await.map_err(ApiError::internal)??;
    let binding = opened.keep().ok_or_else(|| ApiError::internal("a stream was kept twice"))?;
    Ok((binding, sequence))
}

/// Refuses before anything is counted: what others do must not lock a publisher out.
async fn belongs_to(app: &App, session: &SessionId, caller: &Caller) -> Result<(), Rejection> {
    let owner = || app.look(|state| state.sessions.get(session).map(|session| session.user_id));
    match in_time(app, KNOWN_SOON, owner).await {
        Some(owner) if owner == caller.user.id => Ok(()),
        Some(_) => Err(Rejection::SessionOfAnotherUser(session.clone())),
        None => Err(Rejection::SessionNotFound(session.clone())),
    }
}

/// A bound stream that nobody holds yet; dropped, it has ended.
struct Opened(Option<(Arc<App>, Arc<Binding>)>);

impl Opened {
    fn keep(mut self) -> Option<Arc<Binding>> {
        self.0.take().map(|(_, binding)| binding)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((app, binding)) = self.0.take() {
            ended(&app, &binding);
        }
    }
}

fn features(headers: &HeaderMap) -> Features {
    let announced = headers.get(FEATURES_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has = |feature| announced.split(',').any(|word| word.trim() == feature);
    Features { accept: has(FEATURE_ACCEPT), ack: has(FEATURE_ACK) }
}

/// The stream's connection is gone: its calls fail at once, its rows have the grace time to come back.
pub fn ended(app: &Arc<App>, binding: &Arc<Binding>) {
    let was_bound = app.relay.unbind(binding);
    // A server's own end is no disconnect, and what was superseded changes nothing.
    if !was_bound || app.stopping.is_cancelled() {
        return;
    }
    let (app, binding) = (app.clone(), binding.clone());
    app.clone().tasks.spawn(async move {
        tokio::select! {
            () = leave(&app, &binding) => {}
            // The next start closes what this one had open.
            () = app.stopping.cancelled() => {}
        }
    });
}

async fn leave(app: &App, binding: &Binding) {
    let (session, epoch) = (binding.session.clone(), binding.epoch);
    let heard = app.leases.get(&session).map(|lease| lease.heard_at());
    // A stream that ended while nobody could write must not be listed as bound for ever. A newer stream makes each of
    // these a command that changes nothing.
    let write = |command: Command| {
        let attempt = move || app.writer.write_all(command.clone(), "relay");
        in_the_end("the end of a stream", app.stopping.clone(), attempt)
    };
    let disconnect = Disconnect { session: session.clone(), epoch, cause: StreamEnd::Closed };
    write(Command::Disconnect(disconnect)).await;
    tokio::time::sleep(app.config.args.disconnect_grace).await;
    let deactivate = Deactivate { session, epoch, cause: Cause::Disconnected, last_heartbeat_at: heard };
    write(Command::Deactivate(deactivate)).await;
}

/// The body of a stream: frames as they come, pings between them, a goodbye at the end.
struct StreamBody {
    app: Arc<App>,
    binding: Arc<Binding>,
    hello: Option<Bytes>,
    pings: Interval,
    over: bool,
}

impl StreamBody {
    fn new(app: Arc<App>, binding: Arc<Binding>) -> Self {
        let every = app.config.args.ping_interval;
        let pings = interval_at(Instant::now() + app.clock.in_step(every), every);
        Self { app, binding, hello: None, pings, over: false }
    }

    fn greet(&mut self) {
        let hello = Hello {
            provider_session_id: self.binding.session.to_string(),
            epoch: self.binding.epoch,
            ping_seconds: self.app.config.args.ping_interval.as_secs_f64(),
        };
        self.hello = Some(event("hello", &hello));
    }
}

fn event(name: &str, data: &impl serde::Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(hello) = self.hello.take() {
            return Poll::Ready(Some(Ok(Frame::data(hello))));
        }
        if let Poll::Ready(next) = self.binding.poll_stream(context) {
            let reason = match next {
                Next::Frames(frames) => return Poll::Ready(Some(Ok(Frame::data(frames)))),
                Next::End(End::Gone) => return Poll::Ready(None),
                Next::End(End::Superseded) => "superseded",
                Next::End(End::Shutdown) => "shutdown",
            };
            self.over = true;
            return Poll::Ready(Some(Ok(Frame::data(event("goodbye", &Goodbye { reason: reason.to_owned() })))));
        }
        ready!(self.pings.poll_tick(context));
        Poll::Ready(Some(Ok(Frame::data(PING))))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        ended(&self.app, &self.binding);
    }
}
