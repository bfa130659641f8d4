//! A turn in the work store, from the user's message to the reply.

use super::reply::Answer;
use crate::{app::App, auth::Caller, error::ApiError, in_the_end::in_the_end};
use mcpctl_events::{state::Agent, wire::chat::ChatEvent};
use mcpctl_projector::store::work::{BeginTurn, Finished, NewThread, Pending, Step, TurnThread};
use std::sync::Arc;
use uuid::Uuid;

/// Characters of the first message that become the title.
const TITLE: usize = 60;

/// A turn of which some message is pending: the model's, or those of tools. Dropped, it has failed: nothing stays
/// pending.
pub(super) struct OpenTurn {
    app: Arc<App>,
    pub thread: Uuid,
    /// The user's message.
    pub user_index: u64,
    pending: Vec<u64>,
}

/// Begins a turn, and its thread if it names none.
pub(super) async fn begin(
    app: &Arc<App>,
    caller: &Caller,
    agent: &Agent,
    turn: &super::Turn,
) -> Result<OpenTurn, ApiError> {
    let existing = turn.thread_id.as_deref().and_then(|id| Uuid::parse_str(id).ok());
    let thread = existing.unwrap_or_else(|| app.clock.id());
    let owner = caller.user.id;
    let title = || turn.title.clone().unwrap_or_else(|| turn.message.chars().take(TITLE).collect());
    let place = match existing {
        Some(id) => TurnThread::Existing { id, owner },
        None => TurnThread::New(NewThread { id: thread, owner, agent: agent.id, title: title() }),
    };
    let begin = BeginTurn { thread: place, message: turn.message.clone(), at: app.clock.now() };
    let (app, tasks) = (app.clone(), app.tasks.clone());
    // On a task of its own: once its rows are stored, a turn is ended properly, whether or not its caller is still there.
    let begun = tasks.spawn(async move {
        let begun = app.work.begin_turn(begin).await.map_err(ApiError::from)?;
        let begun = begun.ok_or_else(|| gone(thread))?;
        Ok(OpenTurn { app, thread, user_index: begun.user_index, pending: vec![begun.assistant_index] })
    });
    begun.await.map_err(ApiError::internal)?
}

impl OpenTurn {
    /// Where the reply is, or is to be.
    pub(super) fn reply_index(&self) -> u64 {
        self.pending.last().copied().unwrap_or_default()
    }

    /// Stores the reply. The turn is over.
    pub(super) async fn complete(self, answer: &Answer) -> Result<ChatEvent, ApiError> {
        let (thread_id, turn_index) = (self.thread.to_string(), self.reply_index());
        let tool_calls = answer.tool_calls.as_json();
        let done = Finished { turn_index, content: Some(answer.text()), tool_calls, failed: false };
        self.step(vec![done], Vec::new()).await?;
        Ok(ChatEvent::Final { thread_id, turn_index })
    }

    /// Stores that the model asks for tools, and that their answers are pending.
    pub(super) async fn call_tools(self, answer: &Answer) -> Result<Self, ApiError> {
        let turn_index = self.reply_index();
        let (content, tool_calls) = (answer.content.clone(), answer.tool_calls.as_json());
        let done = Finished { turn_index, content, tool_calls, failed: false };
        let tools = answer.tool_calls.as_slice().iter().map(|call| Pending::Tool(call.id.clone())).collect();
        self.step(vec![done], tools).await
    }

    /// Stores what the tools answered, in the order of their calls, and that the model's next message is pending.
    pub(super) async fn answer_tools(self, answers: &[String]) -> Result<Self, ApiError> {
        let done = self.pending.iter().zip(answers).map(|(turn_index, answer)| Finished {
            turn_index: *turn_index,
            content: Some(answer.clone()),
            ..Finished::default()
        });
        let done = done.collect();
        self.step(done, vec![Pending::Assistant]).await
    }

    /// Marks what is pending as failed and gives the error back.
    pub(super) async fn fail(self, error: ApiError) -> ApiError {
        let failed = self.failed();
        let _ = self.step(failed, Vec::new()).await;
        error
    }

    /// On a task of its own: whether or not its caller is still there, what comes to be pending has an owner.
    async fn step(mut self, mut finished: Vec<Finished>, next: Vec<Pending>) -> Result<Self, ApiError> {
        for message in &mut finished {
            // Not every database can hold NUL.
            message.content = message.content.take().map(|text| text.replace('\0', "\u{fffd}"));
        }
        let step = Step { thread: self.thread, finished, next, at: self.app.clock.now() };
        let tasks = self.app.tasks.clone();
        let stepped = tasks.spawn(async move {
            let placed = self.app.work.step(step).await?;
            let thread = self.thread;
            self.pending = placed.clone().unwrap_or_default();
            placed.map(|_| self).ok_or_else(|| gone(thread))
        });
        stepped.await.map_err(ApiError::internal)?
    }

    fn failed(&self) -> Vec<Finished> {
        let failed = |turn_index: &u64| Finished { turn_index: *turn_index, failed: true, ..Finished::default() };
        self.pending.iter().map(failed).collect()
    }
}

impl Drop for OpenTurn {
    fn drop(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let (app, thread, failed) = (self.app.clone(), self.thread, self.failed());
        let stopping = self.app.stopping.clone();
        let attempt = move || {
            let step = Step { thread, finished: failed.clone(), next: Vec::new(), at: app.clock.now() };
            let app = app.clone();
            async move { app.work.step(step).await.map(drop) }
        };
        self.app.tasks.spawn(in_the_end("the failure of a turn", stopping, attempt));
    }
}

fn gone(thread: Uuid) -> ApiError {
    ApiError::not_found(format!("Thread not found: {thread}"))
}
