//! A call that goes through a publisher's stream.

use super::{Reply, callable, error_event, not_found, offline, stopping};
use crate::{
    app::App,
    error::ApiError,
    relay::{
        Finish,
        binding::Binding,
        frame::{Frame, Infer},
        task::{Ended, Part, Task},
    },
    request::ModelRequest,
};
use axum::{
    body::{Body, Bytes, HttpBody},
    http::StatusCode,
};
use http_body::Frame as BodyFrame;
use mcpctl_events::{name::SessionId, state::Llm, wire::publish::MAX_FRAME};
use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until, timeout_at},
};

/// A call under way. Dropping it early tells the publisher to stop.
struct Call {
    app: Arc<App>,
    binding: Arc<Binding>,
    task: Arc<Task>,
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.app.relay.finish(&self.task, Finish::Dropped) {
            self.task.abandon();
            self.binding.cancel(self.task.id);
        }
    }
}

/// Sends the call and waits for how its answer begins.
pub(super) async fn call(
    app: &Arc<App>,
    llm: &Arc<Llm>,
    path: &'static str,
    request: &ModelRequest,
) -> Result<Reply, ApiError> {
    answer(send(app, llm.clone(), path, request).await?, request.streaming).await
}

/// Sends the call on the stream of the model's publisher. While it waits for a place there, the row may change, and the
/// stream may end: nothing was sent then, and it begins again with what is now.
async fn send(app: &Arc<App>, mut llm: Arc<Llm>, path: &'static str, request: &ModelRequest) -> Result<Call, ApiError> {
    let patience = Instant::now() + app.config.args.first_byte_timeout;
    while let Some(session) = callable(app, &llm)?.cloned() {
        let binding = connected(app, &session).await.map_err(|()| offline(app, "Llm", &llm))?;
        let slot = slot(app, &binding, patience).await?;
        llm = app.look(|state| state.llms.get(&llm.name).cloned()).ok_or_else(|| not_found(&llm.name))?;
        if let Some(slot) = slot
            && callable(app, &llm)? == Some(&session)
            && let Some(call) = push(app, &llm, binding, slot, path, request)?
        {
            return Ok(call);
        }
        if app.stopping.is_cancelled() {
            return Err(stopping());
        }
    }
    Err(offline(app, "Llm", &llm))
}

/// Puts the call on the stream; none if the stream is over.
fn push(
    app: &Arc<App>,
    llm: &Llm,
    binding: Arc<Binding>,
    slot: OwnedSemaphorePermit,
    path: &'static str,
    request: &ModelRequest,
) -> Result<Option<Call>, ApiError> {
    let task = Arc::new(Task::new(app.clock.id(), &binding, llm.name.clone(), slot));
    let frame = Frame::infer(&Infer {
        task: task.id,
        llm: &llm.name,
        model: &llm.definition.model,
        path,
        streaming: request.streaming,
        request: &request.with_model(&llm.definition.model),
        deadline: app.clock.now().plus(app.config.args.task_timeout),
    });
    if frame.event().len() > MAX_FRAME {
        let message = format!("a call to a publisher is at most {MAX_FRAME} bytes long");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message));
    }
    app.relay.open(task.clone());
    let call = Call { app: app.clone(), binding, task };
    if call.binding.push(frame) {
        return Ok(Some(call));
    }
    // It was not sent, so there is nothing to cancel.
    app.relay.finish(&call.task, Finish::Dropped);
    if call.binding.over.is_cancelled() { Ok(None) } else { Err(stalled(llm)) }
}

/// The stream that is bound to a session; waits a little for a publisher that is reconnecting.
pub async fn connected(app: &App, session: &SessionId) -> Result<Arc<Binding>, ()> {
    let mut changes = app.relay.changes();
    let deadline = Instant::now() + app.config.args.connect_grace;
    loop {
        if let Some(binding) = app.relay.bound(session) {
            return Ok(binding);
        }
        if timeout_at(deadline, changes.changed()).await.is_err() {
            return Err(());
        }
    }
}

/// One of the session's places for open calls; waits for one, unless too many wait already. None if the stream ends
/// meanwhile.
async fn slot(app: &App, binding: &Binding, until: Instant) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    if let Ok(slot) = binding.slots.clone().try_acquire_owned() {
        return Ok(Some(slot));
    }
    let Ok(_place) = binding.queue.try_acquire() else {
        let message = format!(
            "the publisher is busy: {} calls are open and {} are waiting",
            app.config.args.max_inflight_per_session, app.config.args.queue_depth
        );
        return Err(ApiError { retry_after: Some(1), ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", message) });
    };
    tokio::select! {
        slot = binding.slots.clone().acquire_owned() => Ok(slot.ok()),
        () = binding.over.cancelled() => Ok(None),
        () = sleep_until(until) => {
            Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "QUEUE_TIMEOUT", "the publisher was busy for too long"))
        }
    }
}

async fn answer(call: Call, streaming: bool) -> Result<Reply, ApiError> {
    let args = &call.app.config.args;
    let (start, mut accepted) = (Instant::now(), !call.binding.features.accept);
    let total = start + args.task_timeout;
    let first_byte = (start + args.first_byte_timeout).min(total);
    loop {
        let deadline = if accepted { first_byte } else { (start + args.accept_timeout).min(first_byte) };
        let part = timeout_at(deadline, poll_fn(|context| call.task.poll_part(context, accepted))).await;
        match part {
            Ok(Part::Accepted) => accepted = true,
            Ok(Part::Whole(whole)) => return Ok(Reply::Whole(whole)),
            Ok(Part::Stream(first)) if streaming => {
                let idle = Box::pin(sleep_until((Instant::now() + args.idle_timeout).min(total)));
                return Ok(Reply::Stream(Body::new(StreamBody {
                    call,
                    first: Some(first),
                    heard: start,
                    idle,
                    total,
                    ended: false,
                })));
            }
            Ok(Part::Stream(_)) => {
                return Err(bad_gateway(
                    "the publisher streamed an answer to a call that asked for a whole one".into(),
                ));
            }
            Ok(Part::End(ended)) => return Err(failure(&ended)),
            Err(_) if !accepted => return Err(not_accepted(&call)),
            Err(_) => return Err(timed_out("the publisher sent no answer in time")),
        }
    }
}

/// A streamed answer on its way to the caller.
struct StreamBody {
    call: Call,
    first: Option<Bytes>,
    heard: Instant,
    idle: Pin<Box<Sleep>>,
    total: Instant,
    ended: bool,
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(first) = self.first.take() {
            self.heard = Instant::now();
            return Poll::Ready(Some(Ok(BodyFrame::data(first))));
        }
        match self.call.task.poll_part(context, true) {
            Poll::Ready(Part::Stream(bytes)) => {
                self.heard = Instant::now();
                Poll::Ready(Some(Ok(BodyFrame::data(bytes))))
            }
            Poll::Ready(Part::End(Ended::Complete) | Part::Accepted | Part::Whole(_)) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Part::End(ended)) => self.fail(&failure(&ended)),
            Poll::Pending => self.poll_idle(context),
        }
    }
}

impl StreamBody {
    fn fail(&mut self, error: &ApiError) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        self.ended = true;
        Poll::Ready(Some(Ok(BodyFrame::data(error_event(error)))))
    }

    /// The timer is set again only when it rings: a chunk costs a clock reading, not a timer.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let timeout = self.call.app.config.args.idle_timeout;
        while self.idle.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now >= self.total {
                return self.fail(&timed_out("the call took longer than the server allows"));
            }
            if now >= self.heard + timeout {
                return self.fail(&timed_out("the publisher fell silent within the answer"));
            }
            let next = (self.heard + timeout).min(self.total);
            self.idle.as_mut().reset(next);
        }
        Poll::Pending
    }
}

fn failure(ended: &Ended) -> ApiError {
    match ended {
        Ended::Failed(reason) => bad_gateway(reason.clone()),
        Ended::Disconnected => disconnected(),
        Ended::Stopping => stopping(),
        Ended::Abandoned | Ended::Complete => bad_gateway("the publisher ended the answer before it began".into()),
    }
}

fn bad_gateway(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_ERROR", message)
}

fn disconnected() -> ApiError {
    let message = "the publisher disconnected before its answer was complete";
    ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_DISCONNECTED", message)
}

fn stalled(llm: &Llm) -> ApiError {
    let message = format!("the publisher of '{}' takes no calls from its stream at the moment", llm.name);
    ApiError { retry_after: Some(1), ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", message) }
}

fn not_accepted(call: &Call) -> ApiError {
    let seconds = call.app.config.args.accept_timeout.as_secs_f64();
    let message = format!("the publisher of '{}' did not take the call within {seconds} s", call.task.llm);
    ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_SILENT", message)
}

fn timed_out(message: &str) -> ApiError {
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "TIMED_OUT", message)
}
