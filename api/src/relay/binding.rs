//! One bound stream of a session, and the frames that wait to be sent on it.

use super::{frame::Frame, polls::Polls};
use crate::auth::Caller;
use bytes::{Bytes, BytesMut};
use mcpctl_events::{event::session::Transport, name::SessionId};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Bytes of calls that may wait for a stream that does not take them.
const OUTBOX_BYTES: usize = 64 << 20;
/// Bytes after which the answer of a poll takes no further frame.
const POLL_BYTES: usize = 8 << 20;

/// What a publisher said it can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// It acknowledges tasks in time.
    pub accept: bool,
    /// It wants to know when an upload arrives.
    pub ack: bool,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its connection is gone.
    Gone,
    /// A newer stream took its place.
    Superseded,
    /// The server stops.
    Shutdown,
}

/// A stream that is bound to a session.
#[derive(Debug)]
pub struct Binding {
    /// The session.
    pub session: SessionId,
    /// Number of the stream within the session.
    pub epoch: u64,
    /// Stream or long-poll.
    pub transport: Transport,
    /// What the publisher can do.
    pub features: Features,
    /// Calls that are open on it; counted by the places.
    pub(super) open: AtomicUsize,
    /// Cancelled when the stream is over, for whatever reason.
    pub over: CancellationToken,
    /// Polls that are open; long-poll only.
    pub polls: Polls,
    asked_by: Mutex<Option<Caller>>,
    outbox: Mutex<Outbox>,
}

#[derive(Debug, Default)]
struct Outbox {
    frames: VecDeque<Frame>,
    bytes: usize,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Outbox {
    /// Removes a call that was not sent yet.
    fn take_back(&mut self, task: Uuid) -> bool {
        let at = self.frames.iter().position(|frame| frame.call() == Some(task));
        let Some(frame) = at.and_then(|at| self.frames.remove(at)) else { return false };
        self.bytes = self.bytes.saturating_sub(frame.event().len());
        true
    }
}

/// What a stream has to send next.
#[derive(Debug)]
pub enum Next {
    /// These bytes: all frames that were waiting.
    Frames(Bytes),
    /// Nothing more.
    End(End),
}

impl Binding {
    /// A stream that is about to be bound.
    pub fn new(session: SessionId, epoch: u64, transport: Transport, features: Features) -> Self {
        Self {
            session,
            epoch,
            transport,
            features,
            open: AtomicUsize::new(0),
            over: CancellationToken::new(),
            polls: Polls::default(),
            asked_by: Mutex::default(),
            outbox: Mutex::default(),
        }
    }

    /// Who asked for it, the last time if it is polled.
    pub fn asked_by(&self) -> Option<Caller> {
        self.asked_by.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody who may have it asks for it.
    pub fn is_asked_by(&self, caller: &Caller) {
        *self.asked_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller.clone());
    }

    /// How many calls are open on it.
    pub fn open_calls(&self) -> usize {
        self.open.load(Relaxed)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame; false if the stream is over, or takes no more calls. Control frames are always taken: there are
    /// two at most for each call that was sent.
    pub fn push(&self, frame: Frame) -> bool {
        let waker = {
            let mut outbox = self.outbox();
            if outbox.end.is_some() || frame.call().is_some() && outbox.bytes > OUTBOX_BYTES {
                return false;
            }
            outbox.bytes += frame.event().len();
            outbox.frames.push_back(frame);
            outbox.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Queues the cancel of a task; drops its call instead if that was not sent yet.
    pub fn cancel(&self, task: Uuid) {
        if !self.outbox().take_back(task) {
            self.push(Frame::cancel(task));
        }
    }

    /// Ends the stream; the first reason stays. Calls that nobody is there for are not sent.
    pub fn close(&self, end: End) {
        let waker = {
            let mut outbox = self.outbox();
            if *outbox.end.get_or_insert(end) == End::Gone {
                (outbox.frames, outbox.bytes) = (VecDeque::new(), 0);
            }
            outbox.waker.take()
        };
        self.over.cancel();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Why it is over, if it is.
    pub fn end(&self) -> Option<End> {
        self.outbox().end
    }

    /// All waiting frames as one piece for a stream, or the end.
    pub fn poll_stream(&self, context: &Context<'_>) -> Poll<Next> {
        let mut outbox = self.outbox();
        if let Some(first) = outbox.frames.pop_front() {
            outbox.bytes = 0;
            if outbox.frames.is_empty() {
                return Poll::Ready(Next::Frames(first.event().clone()));
            }
            let mut all = BytesMut::from(&first.event()[..]);
            outbox.frames.drain(..).for_each(|frame| all.extend_from_slice(frame.event()));
            return Poll::Ready(Next::Frames(all.freeze()));
        }
        if let Some(end) = outbox.end {
            return Poll::Ready(Next::End(end));
        }
        outbox.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// What waits for a long-poll, unless it is too much for one answer; waits for the first frame or the end.
    pub fn poll_frames(&self, context: &Context<'_>) -> Poll<Vec<Frame>> {
        let mut outbox = self.outbox();
        if outbox.frames.is_empty() && outbox.end.is_none() {
            outbox.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut taken = 0;
        let mut frames = Vec::new();
        while taken < POLL_BYTES
            && let Some(frame) = outbox.frames.pop_front()
        {
            taken += frame.event().len();
            frames.push(frame);
        }
        outbox.bytes = outbox.bytes.saturating_sub(taken);
        Poll::Ready(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::frame::Infer;
    use mcpctl_events::{name::Name, time::LogTime};

    fn call(task: u128, bytes: usize) -> Frame {
        Frame::infer(&Infer {
            task: Uuid::from_u128(task),
            llm: &Name::parse("qwen").unwrap(),
            model: "m",
            path: "/v1/chat/completions",
            streaming: false,
            request: &vec![b' '; bytes],
            deadline: LogTime::default(),
        })
    }

    fn binding() -> Binding {
        let session = SessionId::parse("s").unwrap();
        Binding::new(session, 1, Transport::Sse, Features::default())
    }

    fn waiting(binding: &Binding) -> Vec<Frame> {
        match binding.poll_frames(&Context::from_waker(Waker::noop())) {
            Poll::Ready(frames) => frames,
            Poll::Pending => Vec::new(),
        }
    }

    #[test]
    fn a_stalled_stream_takes_no_more_calls_but_every_control_frame() {
        let binding = binding();
        assert!(binding.push(call(1, OUTBOX_BYTES)));
        assert!(!binding.push(call(2, 1)), "full");
        assert!(binding.push(Frame::ack(Uuid::from_u128(9))));
        binding.cancel(Uuid::from_u128(9));
        assert_eq!([waiting(&binding).len(), waiting(&binding).len()], [1, 2]);
        assert!(binding.push(call(2, 1)), "room again");
    }

    #[test]
    fn the_answer_of_a_poll_has_a_size() {
        let binding = binding();
        for task in 0..4 {
            assert!(binding.push(call(task, POLL_BYTES * 2 / 3)));
        }
        assert_eq!(waiting(&binding).len(), 2);
        assert_eq!(waiting(&binding).len(), 2);
        assert!(binding.push(call(9, POLL_BYTES * 2)));
        assert_eq!(waiting(&binding).len(), 1, "one that is larger comes alone");
        assert_eq!(binding.outbox().bytes, 0);
    }

    #[test]
    fn a_call_that_was_not_sent_is_taken_back_and_one_that_was_is_cancelled() {
        let binding = binding();
        for task in [1, 2] {
            assert!(binding.push(call(task, 10)));
        }
        binding.cancel(Uuid::from_u128(1));
        let sent: Vec<_> = waiting(&binding).iter().map(Frame::call).collect();
        assert_eq!(sent, [Some(Uuid::from_u128(2))]);
        binding.cancel(Uuid::from_u128(2));
        let sent = waiting(&binding);
        assert!(matches!(&sent[..], [cancel] if cancel.json().starts_with(br#"{"kind":"cancel""#)), "{sent:?}");
    }

    #[test]
    fn nothing_goes_onto_a_stream_that_is_over_and_the_first_reason_stays() {
        let binding = binding();
        binding.close(End::Superseded);
        binding.close(End::Gone);
        assert!(!binding.push(call(1, 10)));
        assert_eq!(binding.end(), Some(End::Superseded));
    }
}
