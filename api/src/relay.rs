//! The relay: carries calls to publishers and their answers back.
//!
//! Per session one bound stream, with an outbox of frames; per call one [`Task`](task::Task) that joins the caller's
//! side and the publisher's. Bodies pass as bytes. Nothing here is on the log.

pub mod binding;
pub mod frame;
pub mod object;
pub mod places;
pub mod polls;
pub mod task;
pub mod upload;

use binding::{Binding, End};
use mcpctl_events::name::SessionId;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use task::Task;
use tokio::sync::watch;
use uuid::Uuid;

/// Finished tasks that are remembered, so that a late result gets the right answer.
const REMEMBERED: usize = 32_768;

/// All streams that are bound to this process, and all calls under way.
#[derive(Debug)]
pub struct Relay {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    /// Counts changes of who may do what.
    access: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<SessionId, Arc<Binding>>,
    tasks: HashMap<Uuid, Arc<Task>>,
    finished: HashMap<Uuid, (SessionId, Finish)>,
    order: VecDeque<Uuid>,
    /// The server stops: nothing is bound any more.
    closed: bool,
}

/// How a task ended, for late results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// With an answer or an error of its publisher.
    Answered,
    /// The caller went away, a deadline passed, or the stream was superseded.
    Dropped,
}

/// What is known of a task id.
#[derive(Debug)]
pub enum Known {
    /// It is under way.
    Open(Arc<Task>),
    /// It is over.
    Finished(SessionId, Finish),
    /// Never heard of.
    Unknown,
}

impl Default for Relay {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0), access: watch::Sender::new(0) }
    }
}

impl Relay {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds a stream to its session and ends the one before. An older epoch never replaces a newer one; what cannot be
    /// bound is closed, with the reason.
    pub fn bind(&self, binding: Arc<Binding>) {
        let before = {
            let mut inner = self.inner();
            if inner.closed {
                binding.close(End::Shutdown);
                return;
            }
            if inner.sessions.get(&binding.session).is_some_and(|bound| bound.epoch > binding.epoch) {
                binding.close(End::Superseded);
                return;
            }
            inner.sessions.insert(binding.session.clone(), binding)
        };
        if let Some(before) = before {
            self.end(&before, End::Superseded);
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// The registry knows the session no more: its stream ends, and its publisher finds out why when it comes back.
    pub fn forget(&self, session: &str) {
        let bound = self.inner().sessions.remove(session);
        if let Some(binding) = bound {
            self.end(&binding, End::Gone);
        }
    }

    /// A newer stream of the session was opened: an older one that is bound here ends.
    pub fn supersede(&self, session: &SessionId, epoch: u64) {
        self.end_if(session, End::Superseded, |bound| bound.epoch < epoch);
    }

    /// The stream of this number was given up for lost, while it is bound here: its publisher is to come back.
    pub fn give_up(&self, session: &SessionId, epoch: u64) {
        self.end_if(session, End::Gone, |bound| bound.epoch == epoch);
    }

    fn end_if(&self, session: &SessionId, how: End, is_it: impl FnOnce(&Binding) -> bool) {
        let bound = {
            let mut inner = self.inner();
            let is_it = inner.sessions.get(session).is_some_and(|bound| is_it(bound));
            if is_it { inner.sessions.remove(session) } else { None }
        };
        if let Some(binding) = bound {
            self.end(&binding, how);
        }
    }

    /// A token or a grant is no more: whatever is open for long looks whether it may go on.
    pub fn look_again(&self) {
        self.access.send_modify(|n| *n += 1);
    }

    /// To know when to look again.
    pub fn access(&self) -> watch::Receiver<u64> {
        self.access.subscribe()
    }

    /// All streams that are bound.
    pub fn all_bound(&self) -> Vec<Arc<Binding>> {
        self.inner().sessions.values().cloned().collect()
    }

    /// The stream that is bound to a session.
    pub fn bound(&self, session: &SessionId) -> Option<Arc<Binding>> {
        self.inner().sessions.get(session).cloned()
    }

    /// Follows changes of what is bound.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many streams are bound.
    pub fn streams(&self) -> usize {
        self.inner().sessions.len()
    }

    /// How many calls are under way.
    pub fn open_tasks(&self) -> usize {
        self.inner().tasks.len()
    }

    /// A stream ended: it is bound no longer, and its calls fail at once, unless it was the server that ended it: then
    /// they may still be answered. False if a newer one took its place.
    pub fn unbind(&self, binding: &Arc<Binding>) -> bool {
        let was_bound = {
            let mut inner = self.inner();
            let bound = inner.sessions.get(&binding.session).is_some_and(|bound| Arc::ptr_eq(bound, binding));
            if bound {
                inner.sessions.remove(&binding.session);
            }
            bound
        };
        if binding.end() != Some(End::Shutdown) {
            self.end(binding, End::Gone);
        }
        was_bound
    }

    /// Ends all streams with a goodbye, and binds no others. Calls under way go on.
    pub fn close_all(&self) {
        let bound: Vec<_> = {
            let mut inner = self.inner();
            inner.closed = true;
            inner.sessions.values().cloned().collect()
        };
        for binding in bound {
            binding.close(End::Shutdown);
        }
    }

    /// Fails every call that is still under way, because the server stops.
    pub fn fail_all(&self) {
        let open: Vec<_> = self.inner().tasks.values().cloned().collect();
        for task in open {
            self.finish(&task, Finish::Dropped);
            task.stopping();
        }
    }

    /// Adds a call.
    pub fn open(&self, task: Arc<Task>) {
        self.inner().tasks.insert(task.id, task);
    }

    /// What is known of a task.
    pub fn find(&self, id: Uuid) -> Known {
        let inner = self.inner();
        match (inner.tasks.get(&id), inner.finished.get(&id)) {
            (Some(task), _) => Known::Open(task.clone()),
            (None, Some((session, finish))) => Known::Finished(session.clone(), *finish),
            (None, None) => Known::Unknown,
        }
    }

    /// Takes a call off the books; false if it was off already.
    pub fn finish(&self, task: &Task, how: Finish) -> bool {
        let mut inner = self.inner();
        if inner.tasks.remove(&task.id).is_none() {
            return false;
        }
        inner.finished.insert(task.id, (task.session.clone(), how));
        inner.order.push_back(task.id);
        if inner.order.len() > REMEMBERED
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.finished.remove(&oldest);
        }
        drop(inner);
        // The next call may take it at once.
        drop(task.take_place());
        true
    }

    /// First closed, then its calls fail: one that comes in between is not taken.
    fn end(&self, binding: &Binding, end: End) {
        binding.close(end);
        let lost: Vec<Arc<Task>> = {
            let inner = self.inner();
            let of_binding = |task: &&Arc<Task>| task.session == binding.session && task.epoch == binding.epoch;
            inner.tasks.values().filter(of_binding).cloned().collect()
        };
        for task in lost {
            self.finish(&task, Finish::Dropped);
            task.disconnected();
        }
        self.changed.send_modify(|n| *n += 1);
    }
}
