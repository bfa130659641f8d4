//! A call that goes through a publisher's stream.

use super::{Asked, Reply, held::LateError, moves::Moves, stopping};
use crate::{
    app::App,
    error::ApiError,
    relay::{
        Finish,
        binding::Binding,
        frame::{Frame, Infer},
        object::Whole,
        places::{Place, Way},
        task::{Ended, Part, Task},
    },
};
use axum::{
    body::{Body, Bytes, HttpBody},
    http::StatusCode,
};
use http_body::Frame as BodyFrame;
use mcpctl_events::{
    name::{Name, SessionId},
    state::Llm,
    wire::publish::MAX_FRAME,
};
use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// Characters of a refusal that are passed on.
const SHOWN: usize = 500;

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

/// Sends the call and waits for how its answer begins; none if the stream is over, and nothing was sent.
pub(super) async fn call(
    app: &Arc<App>,
    llm: &Llm,
    binding: &Arc<Binding>,
    place: Place,
    asked: &Asked,
) -> Result<Option<Reply>, ApiError> {
    match push(app, llm, binding.clone(), place, asked)? {
        Some(call) => answer(call, asked).await.map(Some),
        None => Ok(None),
    }
}

/// Puts the call on the stream; none if the stream is over.
fn push(
    app: &Arc<App>,
    llm: &Llm,
    binding: Arc<Binding>,
    place: Place,
    asked: &Asked,
) -> Result<Option<Call>, ApiError> {
    let task = Arc::new(Task::new(app.clock.id(), &binding, llm.name.clone(), Some(place)).at(asked.path));
    let frame = Frame::infer(&Infer {
        task: task.id,
        llm: &llm.name,
        model: &llm.definition.model,
        path: asked.path,
        streaming: asked.request.streaming,
        request: &asked.request.with_model(&llm.definition.model),
        deadline: app.clock.now().plus(app.config.args.task_timeout),
    });
    if frame.event().len() > MAX_FRAME {
        let message = format!("a call to a publisher is at most {MAX_FRAME} bytes long");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message));
    }
    send(app, binding, task, frame)
}

/// Opens a task and sends its frame; none if the stream is over.
fn send(app: &Arc<App>, binding: Arc<Binding>, task: Arc<Task>, frame: Frame) -> Result<Option<Call>, ApiError> {
    app.relay.open(task.clone());
    let call = Call { app: app.clone(), binding, task };
    if call.binding.push(frame) {
        return Ok(Some(call));
    }
    // It was not sent, so there is nothing to cancel.
    app.relay.finish(&call.task, Finish::Dropped);
    if call.binding.over.is_cancelled() { Ok(None) } else { Err(stalled(&call.task.llm)) }
}

/// Asks a publisher to wake its model, and waits until it says how that went.
pub(super) async fn wake(app: &Arc<App>, way: &Way, within: Duration) -> Result<(), ApiError> {
    let Some(binding) = way.binding.clone() else { return Ok(()) };
    let (llm, deadline) = (&way.llm, Instant::now() + within);
    let task = Arc::new(Task::new(app.clock.id(), &binding, llm.name.clone(), None));
    let frame = Frame::wake(task.id, &llm.name, within.as_secs());
    let call = send(app, binding, task, frame)?.ok_or_else(disconnected)?;
    let mut accepted = !call.binding.features.accept;
    loop {
        let silent = if accepted { deadline } else { deadline.min(Instant::now() + app.config.args.accept_timeout) };
        match timeout_at(silent, poll_fn(|context| call.task.poll_part(context, accepted))).await {
            Ok(Part::Accepted) => accepted = true,
            Ok(Part::Whole(whole)) if is_up(&whole) => return Ok(()),
            Ok(Part::Whole(whole)) => {
                let said = String::from_utf8_lossy(&whole.body).chars().take(SHOWN).collect::<String>();
                return Err(bad_gateway(format!("its publisher answered {}: {said}", whole.status)));
            }
            Ok(Part::Stream(_)) => return Err(bad_gateway("its publisher streamed an answer to a wake".to_owned())),
            Ok(Part::End(ended)) => return Err(failure(&ended)),
            Err(_) if !accepted && Instant::now() < deadline => return Err(not_accepted(&call)),
            Err(_) => return Err(timed_out(&format!("it was not up within {} s", within.as_secs()))),
        }
    }
}

/// Whether a publisher says that its model is up.
fn is_up(whole: &Whole) -> bool {
    #[derive(serde::Deserialize)]
    struct Woken {
        ok: bool,
    }
    whole.status == 200 && crate::json::object::<Woken>(&whole.body).is_ok_and(|woken| woken.ok)
}

/// Waits a little for a publisher that is reconnecting.
pub async fn connected(app: &App, session: &SessionId) -> Result<(), ()> {
    let (mut moves, deadline) = (Moves::of(app), Instant::now() + app.config.args.connect_grace);
    loop {
        if app.relay.bound(session).is_some() || app.look(|state| app.elsewhere(state, session)).is_some() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(());
        }
        moves.next(deadline).await;
    }
}

async fn answer(call: Call, asked: &Asked) -> Result<Reply, ApiError> {
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
            Ok(Part::Stream(first)) if asked.request.streaming => {
                let idle = Box::pin(sleep_until((Instant::now() + args.idle_timeout).min(total)));
                return Ok(Reply::Stream(Body::new(StreamBody {
                    call,
                    first: Some(first),
                    heard: start,
                    idle,
                    total,
                    late_error: asked.late_error,
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
    late_error: LateError,
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
        Poll::Ready(Some(Ok(BodyFrame::data((self.late_error)(error)))))
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

fn stalled(llm: &Name) -> ApiError {
    let message = format!("the publisher of '{llm}' takes no calls from its stream at the moment");
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
