//! `POST /api/v1/llms/_provider-task/:id/result`: a publisher's answer, as one object or as an upload of many.

use super::stream::session_of;
use crate::{
    app::App,
    auth::Caller,
    call::moves::{KNOWN_SOON, in_time},
    cluster::proxy::{Passed, PassedOn, pass_on},
    error::ApiError,
    json,
    limits::Limit,
    relay::{
        Finish, Known,
        binding::Binding,
        frame,
        object::{self, Object},
        places::Elsewhere,
        task::{Pushed, Task},
        upload::Lines,
    },
    routes::openapi::values,
};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use http_body::{Body as _, Frame};
use mcpctl_events::{name::SessionId, wire::NDJSON};
use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};
use uuid::Uuid;

/// Takes a result.
#[utoipa::path(post, path = "/api/v1/llms/_provider-task/{id}/result", tag = "publishing",
    params(("id" = String, Path), ("x-mcpctl-provider-session" = values::SessionId, Header)),
    request_body(content = Object, description = "one result object, or many as application/x-ndjson"),
    responses((status = 202, description = "taken"), (status = "default", body = mcpctl_events::wire::error::ErrorBody)))]
pub async fn result(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    passed_on: Option<Extension<PassedOn>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let session = session_of(&headers)?;
    if passed_on.is_none()
        && let Some(Holder::Other(holder)) = in_time(&app, KNOWN_SOON, || held_by(&app, &session, &id)).await
    {
        let path = format!("/api/v1/llms/_provider-task/{id}/result");
        return pass_on(
            &app,
            &holder.node,
            Passed { method: Method::POST, path: &path, headers, body, patience: None },
        )
        .await;
    }
    let upload = Upload { task: open_task(&app, &caller, &session, &id)?, app };
    let is_ndjson = |value: &axum::http::HeaderValue| value.as_bytes().starts_with(NDJSON.as_bytes());
    if headers.get(CONTENT_TYPE).is_some_and(is_ndjson) {
        upload.stream(body).await?;
    } else {
        upload.single(body).await?;
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Which replica a task is at.
enum Holder {
    This,
    Other(Elsewhere),
}

/// The replica that knows the task; nothing as long as nobody does, as far as was read.
fn held_by(app: &App, session: &SessionId, id: &str) -> Option<Holder> {
    let is_known = Uuid::parse_str(id).map_or(true, |id| !matches!(app.relay.find(id), Known::Unknown));
    if is_known || app.relay.bound(session).is_some() {
        return Some(Holder::This);
    }
    app.look(|state| app.elsewhere(state, session)).map(Holder::Other)
}

fn open_task(app: &App, caller: &Caller, session: &SessionId, id: &str) -> Result<Arc<Task>, ApiError> {
    let (owner, epoch) = app.look(|state| {
        let known = state.sessions.get(session);
        (known.map(|session| session.user_id), known.map_or(0, |session| session.epoch))
    });
    let forbidden = |what: String| ApiError::new(StatusCode::FORBIDDEN, "NOT_YOUR_TASK", what);
    if owner.is_some_and(|owner| owner != caller.user.id) {
        return Err(forbidden(format!("provider session {session} belongs to another user")));
    }
    if let Some(lease) = app.leases.get(session) {
        lease.renew(app.clock.uptime(), app.clock.now());
    }
    let of_another = || forbidden(format!("task {id} was given to another provider session"));
    let known = Uuid::parse_str(id).map_or(Known::Unknown, |id| app.relay.find(id));
    match known {
        Known::Open(task) if task.session == *session => Ok(task),
        Known::Finished(of, finish) if of == *session => Err(over(id, finish)),
        Known::Open(_) | Known::Finished(..) => Err(of_another()),
        // Its stream was at another replica, which knew it, before it came here.
        Known::Unknown if app.cluster.is_some() && epoch > 1 => Err(over(id, Finish::Dropped)),
        Known::Unknown => Err(ApiError::new(StatusCode::NOT_FOUND, "TASK_NOT_FOUND", format!("task not found: {id}"))),
    }
}

fn over(id: impl std::fmt::Display, finish: Finish) -> ApiError {
    match finish {
        Finish::Answered => {
            ApiError::new(StatusCode::CONFLICT, "TASK_FINISHED", format!("task {id} is already finished"))
        }
        Finish::Dropped => {
            ApiError::new(StatusCode::GONE, "TASK_GONE", format!("task {id} was cancelled, or its stream superseded"))
        }
    }
}

struct Upload {
    app: Arc<App>,
    task: Arc<Task>,
}

impl Upload {
    /// One object. The task fails if it is no result; a body that broke off may be sent again.
    async fn single(&self, body: Body) -> Result<(), ApiError> {
        let body = match json::read_body(body, &self.app.config.args).await {
            Err(error) if error.status == StatusCode::PAYLOAD_TOO_LARGE => {
                self.broken(error.message.clone());
                return Err(error);
            }
            body => body?,
        };
        let object = object::parse(&body).map_err(|reason| self.broken(reason))?;
        self.room().await;
        self.push(object).map(drop)
    }

    /// Hands lines on as they come. The task fails if the body breaks off, or holds what is no result.
    async fn stream(&self, mut body: Body) -> Result<(), ApiError> {
        let (mut lines, mut acked) = (Lines::new(self.app.config.args.max_body), false);
        while let Some(frame) = self.next(&mut body).await? {
            let frame = frame.map_err(|error| self.lost(&error))?;
            let Ok(bytes) = frame.into_data() else { continue };
            let mut outcome = Ok(true);
            let fed = lines.feed(bytes, |line| {
                outcome = self.line(&line);
                matches!(outcome, Ok(true))
            });
            fed.map_err(|error| ApiError { limit: Some(Limit::Body), ..self.broken(error.to_string()) })?;
            if !outcome? {
                return Ok(());
            }
            if !acked {
                acked = true;
                self.ack();
            }
            self.room().await;
        }
        lines.finish().map_or(Ok(true), |line| self.line(&line)).map(drop)
    }

    /// The next piece of the body; not longer than anybody wants it, for a publisher that vanished never sends one.
    async fn next(&self, body: &mut Body) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, ApiError> {
        poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => self.task.poll_over(context).map(|()| Err(self.over())),
        })
        .await
    }

    /// True while more may follow.
    fn line(&self, line: &Bytes) -> Result<bool, ApiError> {
        let object = object::parse(line).map_err(|reason| self.broken(reason))?;
        self.push(object)
    }

    fn push(&self, object: Object) -> Result<bool, ApiError> {
        // Off the books before the caller is woken, who would take the call for one that nobody answered.
        if object.is_last() && !self.app.relay.finish(&self.task, Finish::Answered) {
            return Err(self.over());
        }
        match self.task.push(object) {
            Pushed::Open => Ok(true),
            Pushed::Finished => Ok(false),
            Pushed::Over => Err(self.over()),
        }
    }

    fn over(&self) -> ApiError {
        match self.app.relay.find(self.task.id) {
            Known::Finished(_, finish) => over(self.task.id, finish),
            Known::Open(_) | Known::Unknown => over(self.task.id, Finish::Dropped),
        }
    }

    /// Waits while the caller is slow.
    async fn room(&self) {
        poll_fn(|context| self.task.poll_room(context)).await;
    }

    /// The connection of the upload is gone: most often the publisher is.
    fn lost(&self, error: &axum::Error) -> ApiError {
        if self.app.relay.finish(&self.task, Finish::Dropped) {
            self.task.disconnected();
        }
        ApiError::invalid("", format!("the upload broke off: {error}"))
    }

    fn broken(&self, reason: String) -> ApiError {
        if self.app.relay.finish(&self.task, Finish::Answered) {
            self.task.fail(reason.clone());
        }
        ApiError::invalid("", reason)
    }

    /// Tells the publisher that its upload passes through every proxy on the way.
    fn ack(&self) {
        let bound: Option<Arc<Binding>> = self.app.relay.bound(&self.task.session);
        if let Some(binding) = bound.filter(|binding| binding.features.ack) {
            binding.push(frame::Frame::ack(self.task.id));
        }
    }
}
