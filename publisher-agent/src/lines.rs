//! A task's result as lines of NDJSON, made while the model speaks.
//!
//! Nothing runs here by itself: whoever sends the lines polls them, and so pulls straight from the model's
//! connection. A slow caller thus slows the model server, and no task stands between.

use crate::{
    echo::Spoken,
    http::within,
    json::{ACCEPTED, error_line, event_line},
};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mcpctl_events::wire::sse;
use std::{
    borrow::Cow,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio_util::task::TaskTracker;

/// Lines that wait while more comes in are sent at the latest when they are this many bytes.
pub const SEND_AT: usize = 16 * 1024;
/// How long a model server may take to end its answer after `[DONE]` for its connection to be kept.
const END_WITHIN: Duration = Duration::from_secs(1);

/// What a model said.
#[derive(Debug)]
pub enum Answer {
    /// Everything, as one line.
    Whole(Bytes),
    /// A stream that began.
    Stream(Streamed),
    /// The built-in echo, word by word.
    Spoken(Spoken),
}

/// The lines of one task.
pub struct Lines {
    source: Source,
    begun: bool,
}

enum Source {
    Asking(BoxFuture<'static, Answer>),
    Stream(Streamed),
    Spoken(Spoken),
    Last(Bytes),
    Ended,
}

impl From<Answer> for Source {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Whole(line) => Self::Last(line),
            Answer::Stream(stream) => Self::Stream(stream),
            Answer::Spoken(spoken) => Self::Spoken(spoken),
        }
    }
}

impl From<Answer> for Lines {
    fn from(answer: Answer) -> Self {
        Self { source: answer.into(), begun: false }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Lines {
    /// Lines of an answer that is still being waited for.
    pub fn asking(asking: BoxFuture<'static, Answer>) -> Self {
        Self { source: Source::Asking(asking), begun: false }
    }

    /// The next buffer of whole lines. The first says that the task is accepted, unless there is more to say at once.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let next = self.poll_source(cx);
        match (next, mem::replace(&mut self.begun, true)) {
            (Poll::Pending, false) => Poll::Ready(Some(ACCEPTED)),
            (next, _) => next,
        }
    }

    /// The next buffer of whole lines.
    pub async fn next(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.source {
                Source::Asking(asking) => self.source = ready!(asking.as_mut().poll(cx)).into(),
                Source::Stream(stream) => return stream.poll(cx, self.begun),
                Source::Spoken(spoken) => return spoken.poll(cx),
                Source::Last(line) => {
                    let line = mem::take(line);
                    self.source = Source::Ended;
                    return Poll::Ready(Some(line));
                }
                Source::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// How a stream says that it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With `[DONE]`.
    WithDone,
    /// With the event that its own API ends with.
    WithEvent,
}

/// The last event of a response ([OpenAI](https://platform.openai.com/docs/api-reference/responses-streaming)).
const LAST_EVENTS: [&[u8]; 4] = [b"response.completed", b"response.failed", b"response.incomplete", b"error"];

impl Ends {
    /// How a stream from this path of the model API ends.
    pub fn of(path: &str) -> Self {
        if path == "/v1/responses" { Self::WithEvent } else { Self::WithDone }
    }

    fn is_last(self, event: &sse::Event<'_>) -> bool {
        event.data == b"[DONE]" || self == Self::WithEvent && LAST_EVENTS.contains(&&*name_of(event))
    }
}

/// The name of an event of this API is also the `type` of its data, where a server leaves out the former.
fn name_of<'a>(event: &sse::Event<'a>) -> Cow<'a, [u8]> {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    if !event.name.is_empty() {
        return event.name.into();
    }
    let named = serde_json::from_slice::<Typed<'_>>(event.data).map(|typed| typed.r#type.into_owned().into_bytes());
    named.unwrap_or_default().into()
}

/// A model server's stream, on its way to lines.
#[derive(Debug)]
pub struct Streamed {
    body: Option<Incoming>,
    ends: Ends,
    parser: sse::Parser,
    /// Names the server in errors.
    label: String,
    tracker: TaskTracker,
    out: BytesMut,
    chunks: u64,
    done: bool,
    rested: bool,
}

impl Streamed {
    /// Takes over a stream that was answered with status 200.
    pub fn new(body: Incoming, ends: Ends, label: String, tracker: TaskTracker) -> Self {
        let (parser, out) = (sse::Parser::default(), BytesMut::new());
        Self { body: Some(body), ends, parser, label, tracker, out, chunks: 0, done: false, rested: false }
    }

    /// `may_rest`: chunks may wait for one turn of the scheduler, in which the connection can bring more of them;
    /// many small chunks that came together then leave together.
    fn poll(&mut self, cx: &mut Context<'_>, may_rest: bool) -> Poll<Option<Bytes>> {
        while let Some(body) = &mut self.body {
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.take(&data);
                    }
                    if self.out.len() >= SEND_AT {
                        break;
                    }
                }
                Poll::Ready(Some(Err(_))) => self.broken(),
                Poll::Ready(None) => self.ended(),
                Poll::Pending if self.done => {
                    self.let_go();
                    break;
                }
                Poll::Pending if self.out.is_empty() => return Poll::Pending,
                Poll::Pending if may_rest && !self.rested => {
                    self.rested = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        self.rested = false;
        let lines = self.out.split().freeze();
        Poll::Ready((!lines.is_empty()).then_some(lines))
    }

    fn take(&mut self, data: &[u8]) {
        let Self { ends, parser, out, chunks, done, .. } = self;
        let fed = parser.feed(data, &mut |event| put(*ends, event, out, chunks, done));
        self.check(fed);
    }

    /// Only its last event says that an answer is complete: a model server that dies within it may well end its HTTP body
    /// as it should. An event that is cut off is none, but for a last one without its empty line.
    fn ended(&mut self) {
        let Self { ends, parser, out, chunks, done, .. } = self;
        let last = &mut |event: sse::Event<'_>| {
            if ends.is_last(&event) {
                put(*ends, event, out, chunks, done);
            }
        };
        let fed = parser.finish(last);
        self.check(fed);
        let end = if self.ends == Ends::WithDone { "[DONE]" } else { "its last event" };
        let why = format!("ended its answer after {} chunks without {end}", self.chunks);
        self.fail(&why);
    }

    fn broken(&mut self) {
        let why = format!("connection lost after {} chunks", self.chunks);
        self.fail(&why);
    }

    fn check(&mut self, fed: Result<(), sse::TooLarge>) {
        if let Err(error) = fed {
            self.fail(&error.to_string());
        }
    }

    fn fail(&mut self, why: &str) {
        if !mem::replace(&mut self.done, true) {
            let line = error_line(&format!("model server {}: {why}", self.label));
            self.out.extend_from_slice(&line);
        }
        self.body = None;
    }

    /// All is said, but for the end of the answer: reading it lets the connection be used again.
    fn let_go(&mut self) {
        if let Some(mut body) = self.body.take() {
            let end = async move { while let Some(Ok(_)) = body.frame().await {} };
            self.tracker.spawn(within(END_WITHIN, end));
        }
    }
}

fn put(ends: Ends, event: sse::Event<'_>, out: &mut BytesMut, chunks: &mut u64, done: &mut bool) {
    if *done {
        return;
    }
    *done = ends.is_last(&event);
    event_line(out, event.name, event.data, *done);
    *chunks += 1;
}
