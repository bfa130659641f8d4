//! One call: the pipe between the publisher that answers and the caller that waits.
//!
//! The publisher's side pushes objects and is held back while the caller is slow. The caller's side first learns how
//! the answer begins, then takes whatever has arrived in one piece. Deadlines live on the caller's side.

use super::{
    binding::Binding,
    object::{Object, Whole},
    places::Place,
};
use bytes::{Bytes, BytesMut};
use mcpctl_events::name::{Name, SessionId};
use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use uuid::Uuid;

/// Bytes that may wait for a slow caller before its publisher is held back.
const BUFFER: usize = 256 << 10;

/// The last event of most streams.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// A call under way.
#[derive(Debug)]
pub struct Task {
    /// UUIDv7.
    pub id: Uuid,
    /// The session that has to answer.
    pub session: SessionId,
    /// The stream that the call was sent on.
    pub epoch: u64,
    /// The model.
    pub llm: Name,
    /// Whether a stream of this API ends with `[DONE]`, which is added where the publisher only says that it is over.
    ends_with_done: bool,
    /// The place among the open calls, if it takes one; given back when the call is over for the publisher, however long
    /// its caller takes to read.
    place: Mutex<Option<Place>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heard: bool,
    streamed: bool,
    whole: Option<Whole>,
    buffer: BytesMut,
    end: Option<Ended>,
    caller: Option<Waker>,
    /// The upload that waits for room.
    publisher: Option<Waker>,
    /// The uploads that wait for more of their body: one whose publisher vanished stays while another takes its place.
    uploads: Vec<Waker>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All of it was delivered.
    Complete,
    /// The publisher reports an error.
    Failed(String),
    /// The publisher's stream ended.
    Disconnected,
    /// The server stops.
    Stopping,
    /// Nobody wants it any more.
    Abandoned,
}

/// What a caller gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The publisher has taken the task; only said while nothing else is there.
    Accepted,
    /// The whole answer.
    Whole(Whole),
    /// Some of a streamed answer.
    Stream(Bytes),
    /// There is no more.
    End(Ended),
}

/// What became of a pushed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// Taken; more may follow.
    Open,
    /// Taken; it was the last.
    Finished,
    /// The call was over before.
    Over,
}

impl Task {
    /// A call that waits for its answer.
    pub fn new(id: Uuid, binding: &Binding, llm: Name, place: Option<Place>) -> Self {
        let (session, epoch) = (binding.session.clone(), binding.epoch);
        let (place, state) = (Mutex::new(place), Mutex::default());
        Self { id, session, epoch, llm, ends_with_done: true, place, state }
    }

    /// A call at this path of the model API.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { ends_with_done: path != "/v1/responses", ..self }
    }

    /// Gives its place back, for another call.
    pub fn take_place(&self) -> Option<Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object from the publisher.
    pub fn push(&self, object: Object) -> Pushed {
        let (pushed, waker, uploads) = {
            let mut state = self.state();
            if state.end.is_some() || state.whole.is_some() {
                return Pushed::Over;
            }
            state.heard = true;
            let pushed = state.take(object, self.ends_with_done);
            let uploads = if pushed == Pushed::Open { Vec::new() } else { mem::take(&mut state.uploads) };
            (pushed, state.caller.take(), uploads)
        };
        waker.into_iter().chain(uploads).for_each(Waker::wake);
        pushed
    }

    /// Ready once the caller has room for more. One that takes nothing at all loses its connection, and with it the call.
    pub fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.buffer.len() < BUFFER || state.end.is_some() {
            return Poll::Ready(());
        }
        state.publisher = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready once nothing is wanted of an upload any more.
    pub fn poll_over(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.end.is_some() || state.whole.is_some() {
            return Poll::Ready(());
        }
        if !state.uploads.iter().any(|upload| upload.will_wake(context.waker())) {
            state.uploads.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// The publisher's stream is gone.
    pub fn disconnected(&self) {
        self.end(Ended::Disconnected);
    }

    /// The server stops.
    pub fn stopping(&self) {
        self.end(Ended::Stopping);
    }

    /// The upload cannot be understood.
    pub fn fail(&self, reason: String) {
        self.end(Ended::Failed(reason));
    }

    /// The caller is gone.
    pub fn abandon(&self) {
        self.end(Ended::Abandoned);
    }

    fn end(&self, ended: Ended) {
        let wakers = {
            let mut state = self.state();
            state.end.get_or_insert(ended);
            let uploads = mem::take(&mut state.uploads);
            [state.caller.take(), state.publisher.take()].into_iter().flatten().chain(uploads)
        };
        wakers.for_each(Waker::wake);
    }

    /// What the caller gets next. `accepted` says whether it knows already that the task was taken.
    pub fn poll_part(&self, context: &Context<'_>, accepted: bool) -> Poll<Part> {
        let (part, waker) = {
            let mut state = self.state();
            let part = state.next(accepted);
            if part.is_none() {
                state.caller = Some(context.waker().clone());
            }
            (part, state.publisher.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        part.map_or(Poll::Pending, Poll::Ready)
    }
}

impl State {
    fn take(&mut self, object: Object, ends_with_done: bool) -> Pushed {
        match object {
            Object::Accepted => return Pushed::Open,
            Object::Error(reason) => self.end = Some(Ended::Failed(reason)),
            Object::Whole(_) if self.streamed => {
                self.end = Some(Ended::Failed("the publisher sent a whole answer after pieces of one".to_owned()));
            }
            Object::Whole(whole) => self.whole = Some(whole),
            Object::Chunk { event, done } => {
                self.streamed = true;
                self.buffer.extend_from_slice(&event);
                if !done {
                    return Pushed::Open;
                }
                if ends_with_done && !event.ends_with(DONE) {
                    self.buffer.extend_from_slice(DONE);
                }
                self.end = Some(Ended::Complete);
            }
        }
        Pushed::Finished
    }

    fn next(&mut self, accepted: bool) -> Option<Part> {
        if !self.buffer.is_empty() {
            return Some(Part::Stream(self.buffer.split().freeze()));
        }
        if let Some(whole) = self.whole.take() {
            self.end = Some(Ended::Complete);
            return Some(Part::Whole(whole));
        }
        if let Some(end) = &self.end {
            return Some(Part::End(end.clone()));
        }
        (self.heard && !accepted).then_some(Part::Accepted)
    }
}
