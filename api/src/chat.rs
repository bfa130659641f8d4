//! Chatting with an agent: one turn of a thread around one call of its model.

pub mod persona;
mod reply;
mod request;
mod stream;

pub use request::Turn;

use crate::{
    app::App,
    auth::Caller,
    call::{self, Asked, Reply, held},
    error::ApiError,
    in_the_end::in_the_end,
    relay::object::Whole,
};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    json::Json as RawJson,
    state::Agent,
    wire::chat::{ChatEvent, ChatReply},
};
use mcpctl_projector::store::work::{BeginTurn, FinishTurn, NewThread, TurnThread};
use reply::Answer;
use std::sync::Arc;
use uuid::Uuid;

const PATH: &str = "/v1/chat/completions";
/// Characters of the first message that become the title.
const TITLE: usize = 60;

/// Does a turn: stores the user's message, calls the model, stores and returns its reply.
pub async fn turn(app: &Arc<App>, caller: &Caller, name: &str, turn: Turn) -> Result<Response, ApiError> {
    let agent = app.look(|state| state.agents.get(name).cloned());
    let agent = agent.ok_or_else(|| ApiError::not_found(format!("Agent not found: {}", name.escape_default())))?;
    if let Some(thread) = &turn.thread_id {
        let thread = crate::routes::threads::own(app, caller, thread).await?;
        if thread.agent != agent.id {
            return Err(ApiError::not_found(format!("Thread not found: {} is with another agent", thread.id)));
        }
    }
    let system = app.look(|state| persona::system_block(state, &agent, turn.wish()))?;
    let target = call::of_agent(app, &agent).await?;
    let open = begin(app, caller, &agent, &turn).await?;
    let history = app.work.messages_for_model(open.thread, open.user_index).await?;
    let request = request::build(&agent.definition, &system, &turn, &history)?;
    let asked = Asked { path: PATH, request, late_error: call::error_event };
    if turn.stream {
        let app = app.clone();
        let waiting = async move {
            match call::ask(&app, &target, &asked).await {
                Ok(reply) => stream::respond(open, reply).await,
                Err(error) => Err(open.fail(error).await),
            }
        };
        return held::respond(Box::pin(waiting), error_event).await;
    }
    match call::ask(app, &target, &asked).await {
        Ok(Reply::Whole(whole)) => whole_reply(open, &whole).await,
        Ok(Reply::Stream(_)) => {
            Err(open.fail(bad_answer("the model server streamed an answer that was asked for whole")).await)
        }
        Err(error) => Err(open.fail(error).await),
    }
}

async fn begin(app: &Arc<App>, caller: &Caller, agent: &Agent, turn: &Turn) -> Result<OpenTurn, ApiError> {
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
        let begun = begun.ok_or_else(|| ApiError::not_found(format!("Thread not found: {thread}")))?;
        let (user_index, assistant_index) = (begun.user_index, begun.assistant_index);
        Ok(OpenTurn { app, thread, user_index, assistant_index, open: true })
    });
    begun.await.map_err(ApiError::internal)?
}

/// A turn whose reply is pending. Dropped, it has failed: nothing stays pending.
struct OpenTurn {
    app: Arc<App>,
    thread: Uuid,
    user_index: u64,
    assistant_index: u64,
    open: bool,
}

impl OpenTurn {
    async fn complete(&mut self, answer: &Answer) -> Result<(), ApiError> {
        let content = Some(answer.text());
        self.finish(content, answer.tool_calls.clone(), false).await
    }

    /// Marks the turn as failed and gives the error back.
    async fn fail(mut self, error: ApiError) -> ApiError {
        let _ = self.finish(None, None, true).await;
        error
    }

    async fn finish(&mut self, content: Option<String>, calls: Option<RawJson>, failed: bool) -> Result<(), ApiError> {
        let finish = self.finish_turn(content, calls, failed);
        self.app.work.finish_turn(finish).await?;
        self.open = false;
        Ok(())
    }

    fn finish_turn(&self, content: Option<String>, tool_calls: Option<RawJson>, failed: bool) -> FinishTurn {
        // Not every database can hold NUL.
        let content = content.map(|text| text.replace('\0', "\u{fffd}"));
        FinishTurn { thread: self.thread, turn_index: self.assistant_index, content, tool_calls, failed }
    }

    fn final_event(&self) -> ChatEvent {
        ChatEvent::Final { thread_id: self.thread.to_string(), turn_index: self.assistant_index }
    }
}

impl Drop for OpenTurn {
    fn drop(&mut self) {
        if self.open {
            let (app, finish) = (self.app.clone(), self.finish_turn(None, None, true));
            let stopping = self.app.stopping.clone();
            let attempt = move || {
                let (app, finish) = (app.clone(), finish.clone());
                async move { app.work.finish_turn(finish).await.map(drop) }
            };
            self.app.tasks.spawn(in_the_end("the failure of a turn", stopping, attempt));
        }
    }
}

async fn whole_reply(mut open: OpenTurn, whole: &Whole) -> Result<Response, ApiError> {
    let answer = match reply::read(whole) {
        Ok(answer) => answer,
        Err(error) => return Err(open.fail(error).await),
    };
    open.complete(&answer).await?;
    let body = ChatReply {
        thread_id: open.thread.to_string(),
        assistant: answer.text(),
        turn_index: open.assistant_index,
        finish_reason: answer.finish_reason,
        usage: answer.usage.map(|usage| usage.to_raw()),
    };
    Ok((StatusCode::OK, Json(body)).into_response())
}

fn bad_answer(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "BAD_ANSWER", message)
}

/// An event of a streamed chat.
fn event(event: &ChatEvent) -> bytes::Bytes {
    format!("data: {}\n\n", serde_json::to_string(event).unwrap_or_default()).into()
}

fn error_event(error: &ApiError) -> bytes::Bytes {
    event(&ChatEvent::Error { error: error.message.clone(), code: error.code.to_owned() })
}
