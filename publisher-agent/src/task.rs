//! The tasks that are being worked on.

use crate::{
    frame::{Frame, Infer, Wake},
    http::within,
    json::ACCEPTED,
    lines::{Answer, Lines},
    model::Models,
    server::Server,
    settings::Timing,
    undelivered::settle,
    upload::{self, Signals},
    wake,
};
use futures_util::future::BoxFuture;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Notify, task::AbortHandle};
use tracing::{debug, warn};

/// More than any server sends; a bound all the same.
const MOST_AT_ONCE: usize = 4096;

/// Every task in flight.
#[derive(Debug, Clone)]
pub struct Tasks {
    models: Arc<Models>,
    timing: Timing,
    running: Arc<Mutex<HashMap<String, Running>>>,
    /// Tells that the list may have become empty.
    ended: Arc<Notify>,
}

#[derive(Debug)]
struct Running {
    signals: Arc<Signals>,
    abort: AbortHandle,
}

impl Tasks {
    /// No tasks yet.
    pub fn new(models: Arc<Models>, timing: Timing) -> Self {
        Self { models, timing, running: Arc::default(), ended: Arc::default() }
    }

    /// Does what a frame asks for, without waiting for it.
    pub fn handle(&self, frame: Frame, server: &Arc<Server>) {
        match frame {
            Frame::Infer(call) => {
                let id = call.task_id.clone();
                self.start(id, |signals| infer(self.clone(), server.clone(), call, signals));
            }
            Frame::Wake(call) => {
                let id = call.task_id.clone();
                self.start(id, |_| wake(self.clone(), server.clone(), call));
            }
            Frame::Cancel(id) => self.cancel(&id),
            Frame::Ack(id) => {
                let passed = self.lock().get(&id).is_some_and(|running| running.signals.acked());
                if passed {
                    server.passed();
                }
            }
        }
    }

    /// Drops every task: uploads and model connections end at once.
    pub fn cancel_all(&self) {
        let running: Vec<Running> = self.lock().drain().map(|(_, running)| running).collect();
        running.iter().for_each(Running::cancel);
    }

    /// Whether nothing is being worked on.
    pub fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// Resolves when nothing is being worked on.
    pub async fn idle(&self) {
        loop {
            // Before the look, so that an end between the two is not missed.
            let ended = self.ended.notified();
            if self.is_idle() {
                return;
            }
            ended.await;
        }
    }

    fn cancel(&self, id: &str) {
        let running = self.lock().remove(id);
        if let Some(running) = running {
            debug!("task {id} cancelled");
            running.cancel();
        }
    }

    fn start<F>(&self, id: String, work: impl FnOnce(Arc<Signals>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let signals = Arc::new(Signals::default());
        // On the heap at once: it is large, and would be moved several times on its way to the runtime.
        let work = Box::pin(work(signals.clone()));
        // Held until the task is in the list, which it leaves at its end.
        let mut running = self.lock();
        if running.len() >= MOST_AT_ONCE || running.contains_key(&id) {
            warn!("task {id} not taken: too many at once, or taken before");
            return;
        }
        let listed = Listed { tasks: self.clone(), id: id.clone(), signals: signals.clone() };
        let task = self.models.tracker.spawn(async move {
            let _listed = listed;
            work.await;
        });
        running.insert(id, Running { signals, abort: task.abort_handle() });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn cancel(&self) {
        self.signals.cut();
        self.abort.abort();
    }
}

/// Takes a task off the list when it ends, however it ends.
struct Listed {
    tasks: Tasks,
    id: String,
    signals: Arc<Signals>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.signals.cut();
        let mut running = self.tasks.lock();
        if running.get(&self.id).is_some_and(|running| Arc::ptr_eq(&running.signals, &self.signals)) {
            running.remove(&self.id);
        }
        drop(running);
        self.tasks.ended.notify_waiters();
    }
}

async fn infer(tasks: Tasks, server: Arc<Server>, call: Infer, signals: Arc<Signals>) {
    let id = call.task_id.clone();
    let _call = tasks.models.availability.call(&call.llm_name);
    let mut asking: BoxFuture<'static, Answer> = Box::pin(tasks.models.clone().ask(call));
    let sent = match within(tasks.timing.accept, &mut asking).await {
        Some(Answer::Whole(line)) => upload::whole(&server, &id, line).await,
        Some(begun) => upload::streamed(&server, &id, begun.into(), &signals, &tasks.timing).await,
        None => upload::streamed(&server, &id, Lines::asking(asking), &signals, &tasks.timing).await,
    };
    settle(&server, &id, sent).await;
}

async fn wake(tasks: Tasks, server: Arc<Server>, call: Wake) {
    let Wake { task_id, llm_name, max_wait_seconds } = call;
    let first = tasks.models.availability.begin_wake(&llm_name);
    let _waking = Waking { tasks: &tasks, name: &llm_name, ours: first };
    // Two small requests: nothing is held back, and nobody waits for the bytes of one.
    let accepted = upload::whole(&server, &task_id, ACCEPTED).await;
    if accepted.is_err() {
        return settle(&server, &task_id, accepted).await;
    }
    let line = wake::wake(&tasks.models, &llm_name, max_wait_seconds, first).await;
    settle(&server, &task_id, upload::whole(&server, &task_id, line).await).await;
}

/// While it lives, only the wake speaks for the provider.
struct Waking<'a> {
    tasks: &'a Tasks,
    name: &'a str,
    ours: bool,
}

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        if self.ours {
            self.tasks.models.availability.end_wake(self.name);
            self.tasks.models.availability.look_again();
        }
    }
}
