//! A turn round by round: the model is asked, and as long as it asks for tools, they answer, and it is asked again.

use super::{
    OpenTurn, bad_answer,
    conversation::{Choice, Conversation},
    reply::{self, Answer},
    stream,
    tool_calls::Call,
    voice::Voice,
};
use crate::{
    app::App,
    call::{self, Asked, Reply, target::Target},
    error::ApiError,
    tools::{self, Offer},
};
use futures_util::{StreamExt, stream as futures};
use mcpctl_events::wire::chat::ChatEvent;
use std::sync::Arc;

const PATH: &str = "/v1/chat/completions";
/// Tools that answer at once.
const AT_ONCE: usize = 8;
/// Most bytes of tools' answers in one turn: the model gets them all again each time.
const MAX_ANSWERS: usize = 2 << 20;

/// A turn, with all that it takes to go on.
pub(super) struct Rounds {
    app: Arc<App>,
    target: Target,
    conversation: Conversation,
    offer: Offer,
    /// How often the model may be asked.
    max: u32,
    /// Bytes that tools may still answer.
    room: usize,
}

/// What became of a turn; one that failed is stored as failed.
pub(super) struct Over {
    pub open: OpenTurn,
    pub answer: Answer,
}

impl Rounds {
    pub(super) fn new(app: Arc<App>, target: Target, conversation: Conversation, offer: Offer, max: u32) -> Self {
        Self { app, target, conversation, offer, max, room: MAX_ANSWERS }
    }

    /// Asks the model for the first time.
    pub(super) async fn begin(&self) -> Result<Reply, ApiError> {
        self.ask(1).await
    }

    /// Goes on from the model's first answer to its last.
    pub(super) async fn finish(mut self, mut open: OpenTurn, first: Reply, voice: &Voice) -> Result<Over, ApiError> {
        let (mut reply, mut round) = (first, 1);
        loop {
            let answer = match read(reply, voice).await {
                Ok(answer) => answer,
                Err(error) => return Err(open.fail(error).await),
            };
            if let Some(problem) = answer.tool_calls.problem() {
                return Err(open.fail(bad_answer(problem)).await);
            }
            if answer.tool_calls.as_slice().is_empty() || self.offer.is_empty() {
                return Ok(Over { open, answer });
            }
            if round >= self.max {
                return Err(open.fail(no_end(self.max)).await);
            }
            open = self.tools(open, &answer, voice).await?;
            round += 1;
            reply = match self.ask(round).await {
                Ok(reply) => reply,
                Err(error) => return Err(open.fail(error).await),
            };
        }
    }

    async fn ask(&self, round: u32) -> Result<Reply, ApiError> {
        // A caller who wants some tool used wants it used once.
        let choice = match round {
            _ if round >= self.max => Choice::None,
            1 => Choice::Callers,
            _ => Choice::Free,
        };
        let request = self.conversation.request(choice)?;
        call::ask(
            &self.app,
            &self.target,
            &Asked { path: PATH, request, late_error: call::error_event, may_wait: true },
        )
        .await
    }

    /// Stores what the model asks for, lets the tools answer, and stores that.
    async fn tools(&mut self, open: OpenTurn, answer: &Answer, voice: &Voice) -> Result<OpenTurn, ApiError> {
        let open = open.call_tools(answer).await?;
        let calls = answer.tool_calls.as_slice();
        voice.say(calls.iter().map(asked)).await;
        let answering: Vec<_> = calls.iter().map(|call| self.answer(call, voice)).collect();
        let mut answers: Vec<String> = tokio::select! {
            answers = futures::iter(answering).buffered(AT_ONCE).collect() => answers,
            () = self.app.failing.cancelled() => return Err(open.fail(call::stopping()).await),
        };
        for answer in &mut answers {
            *answer = tools::cut(std::mem::take(answer), self.room);
            self.room = self.room.saturating_sub(answer.len());
        }
        self.conversation.tools_answered(answer, &answers);
        open.answer_tools(&answers).await
    }

    async fn answer(&self, call: &Call, voice: &Voice) -> String {
        let answer = match call.arguments() {
            Ok(arguments) => self.offer.call(&self.app, &call.name, arguments).await,
            Err(error) => tools::Answer::failure(format_args!("the arguments are no JSON object: {error}")),
        };
        let (id, name) = (call.id.clone(), call.name.clone());
        let said = ChatEvent::ToolResult { id, name, content: answer.text.clone(), is_error: answer.failed };
        voice.say([said]).await;
        answer.text
    }
}

/// Reads an answer to its end, and says it as it comes.
async fn read(reply: Reply, voice: &Voice) -> Result<Answer, ApiError> {
    match reply {
        Reply::Stream(body) if voice.is_heard() => stream::read(body, voice).await,
        Reply::Stream(_) => Err(bad_answer("the model server streamed an answer that was asked for whole")),
        Reply::Whole(whole) => {
            let answer = reply::read(&whole)?;
            let text = |delta: String| (!delta.is_empty()).then_some(ChatEvent::Text { delta });
            voice.say(text(answer.text())).await;
            Ok(answer)
        }
    }
}

fn asked(call: &Call) -> ChatEvent {
    ChatEvent::ToolCall { id: call.id.clone(), name: call.name.clone(), arguments: call.arguments.clone() }
}

fn no_end(max: u32) -> ApiError {
    let message = format!("the model still asks for tools after it was asked {max} times (`maxIterations`)");
    ApiError { code: "TOO_MANY_ITERATIONS".into(), ..bad_answer(message) }
}
