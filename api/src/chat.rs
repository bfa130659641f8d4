//! Chatting with an agent: one turn of a thread around the calls of its model.

mod conversation;
mod open_turn;
pub mod persona;
mod reply;
mod request;
mod rounds;
mod stream;
mod tool_calls;
mod voice;

pub use request::Turn;

use crate::{
    app::App,
    auth::Caller,
    call::{self, Reply, held},
    error::ApiError,
    tools::{Offer, offer},
};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use conversation::Conversation;
use mcpctl_events::{
    state::Agent,
    wire::chat::{ChatEvent, ChatReply},
};
use open_turn::OpenTurn;
use rounds::{Over, Rounds};
use std::sync::Arc;
use voice::Voice;

/// Does a turn: stores the user's message, calls the model and the tools that it asks for, stores and returns its reply.
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
    let open = open_turn::begin(app, caller, &agent, &turn).await?;
    let is_streamed = turn.stream;
    let (app, caller) = (app.clone(), caller.clone());
    let begun = async move {
        let rounds = async {
            let offer = tokio::select! {
                offer = offer_of(&app, &caller, &agent, &turn) => offer,
                () = app.failing.cancelled() => return Err(call::stopping()),
            };
            let history = app.work.messages_for_model(open.thread, open.user_index).await?;
            let conversation = Conversation::new(&agent.definition, system, &turn, history, &offer)?;
            let rounds = Rounds::new(app.clone(), target, conversation, offer, turn.max_iterations);
            let first = rounds.begin().await?;
            // A refusal that comes at once keeps its status, streamed or not.
            if let Reply::Whole(whole) = &first {
                reply::read(whole)?;
            }
            Ok((rounds, first))
        };
        match rounds.await {
            Ok((rounds, first)) => Ok((open, rounds, first)),
            Err(error) => Err(open.fail(error).await),
        }
    };
    if is_streamed {
        let spoken = async move {
            let (open, rounds, first) = begun.await?;
            Ok(Reply::Stream(voice::spoken(|voice| speak(rounds, open, first, voice))))
        };
        return held::respond(Box::pin(spoken), error_event).await;
    }
    let (open, rounds, first) = begun.await?;
    whole_reply(rounds.finish(open, first, &Voice::silent()).await?).await
}

/// The tools of the agent's project.
async fn offer_of(app: &App, caller: &Caller, agent: &Agent, turn: &Turn) -> Offer {
    let project = agent.definition.project.as_ref();
    let project = project.and_then(|name| app.look(|state| state.projects.get(name).cloned()));
    match project {
        Some(project) => offer(app, caller.user.id, &project.definition, &turn.allow_tools).await,
        None => Offer::default(),
    }
}

/// A streamed turn: it is stored before `final` is said.
async fn speak(rounds: Rounds, open: OpenTurn, first: Reply, voice: Voice) {
    let over = rounds.finish(open, first, &voice).await;
    let stored = match over {
        Ok(Over { open, answer }) => open.complete(&answer).await,
        Err(error) => Err(error),
    };
    voice.say([stored.unwrap_or_else(|error| failed(&error))]).await;
}

async fn whole_reply(Over { open, answer }: Over) -> Result<Response, ApiError> {
    let (thread_id, turn_index) = (open.thread.to_string(), open.reply_index());
    open.complete(&answer).await?;
    let body = ChatReply {
        thread_id,
        assistant: answer.text(),
        turn_index,
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

fn failed(error: &ApiError) -> ChatEvent {
    ChatEvent::Error { error: error.message.clone(), code: error.code.clone().into_owned() }
}

fn error_event(error: &ApiError) -> bytes::Bytes {
    event(&failed(error))
}
