//! What the model hears: the system block, what was said before, and what is said in this turn.

use super::{Turn, persona, reply::Answer, tool_calls::Call};
use crate::{error::ApiError, request::ModelRequest, tools::Offer};
use mcpctl_events::{definition::AgentDefinition, json::Json};
use mcpctl_projector::store::work::Message;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A message as the model's API has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Said {
    role: &'static str,
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
}

/// A conversation with a model.
#[derive(Debug)]
pub(super) struct Conversation {
    said: Vec<Said>,
    /// The request's other members, in the model API's own spelling.
    members: BTreeMap<String, Json>,
    tools: Option<Json>,
    stream: bool,
}

/// Which tools the model may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// As the caller wants it.
    Callers,
    /// Any, or none.
    Free,
    /// None: the answer is due.
    None,
}

impl Conversation {
    /// Begins with what was said before.
    pub(super) fn new(
        agent: &AgentDefinition,
        system: String,
        turn: &Turn,
        history: Vec<Message>,
        offer: &Offer,
    ) -> Result<Self, ApiError> {
        let mut said = Vec::with_capacity(history.len() + 1);
        if !system.is_empty() {
            said.push(Said::plain("system", Some(system)));
        }
        said.extend(remembered(history));
        let params = persona::params(agent.default_params.as_ref(), turn.params.as_ref())?;
        let members = params.into_iter().map(|(name, value)| (name, Json::new(value))).collect();
        Ok(Self { said, members, tools: offer.as_json(), stream: turn.stream })
    }

    /// The model asked for tools, and was answered.
    pub(super) fn tools_answered(&mut self, answer: &Answer, answers: &[String]) {
        let calls = answer.tool_calls.as_json();
        self.said.push(Said { tool_calls: calls, ..Said::plain("assistant", answer.content.clone()) });
        for (call, answer) in answer.tool_calls.as_slice().iter().zip(answers) {
            self.said.push(Said::tool(call, answer));
        }
    }

    /// The request, as it stands.
    pub(super) fn request(&self, choice: Choice) -> Result<ModelRequest, ApiError> {
        let mut body = Body(Vec::new());
        body.member("messages", &self.said)?;
        for (name, value) in &self.members {
            let ours = name == "tools" || name == "tool_choice" && choice != Choice::Callers;
            if !(ours && self.tools.is_some()) {
                body.member(name, value)?;
            }
        }
        if let Some(tools) = &self.tools {
            body.member("tools", tools)?;
            if choice == Choice::None {
                body.member("tool_choice", &"none")?;
            }
        }
        if self.stream {
            body.member("stream", &true)?;
        }
        body.0.push(b'}');
        ModelRequest::read(body.0.into())
    }
}

struct Body(Vec<u8>);

impl Body {
    fn member(&mut self, name: &str, value: &impl Serialize) -> Result<(), ApiError> {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut self.0, name).map_err(ApiError::internal)?;
        self.0.push(b':');
        serde_json::to_writer(&mut self.0, value).map_err(ApiError::internal)
    }
}

impl Said {
    fn plain(role: &'static str, content: Option<String>) -> Self {
        Self { role, content, tool_calls: None, tool_call_id: None }
    }

    fn tool(call: &Call, answer: &str) -> Self {
        Self { tool_call_id: Some(call.id.clone()), ..Self::plain("tool", Some(answer.to_owned())) }
    }

    fn answer(message: &mut Message) -> Self {
        let (content, call) = (message.content.take(), message.tool_call_id.take());
        Self { tool_call_id: call, ..Self::plain("tool", Some(content.unwrap_or_default())) }
    }
}

/// The messages of a thread as a model may hear them again: each call of a tool with its answer right behind it, and
/// none without one, which no model's API takes.
fn remembered(mut history: Vec<Message>) -> Vec<Said> {
    let mut said = Vec::with_capacity(history.len());
    for (at, answers) in answers(&history).into_iter().enumerate() {
        let message = &mut history[at];
        if message.role == "tool" {
            continue;
        }
        let (content, calls) = (message.content.take(), message.tool_calls.take());
        let answers: Option<Vec<usize>> = answers.into_iter().collect();
        match (calls, answers) {
            _ if message.role == "user" => said.push(Said::plain("user", content)),
            (None, _) => said.push(Said::plain("assistant", content)),
            (Some(calls), Some(answers)) if !answers.is_empty() => {
                said.push(Said { tool_calls: Some(calls), ..Said::plain("assistant", content) });
                said.extend(answers.into_iter().map(|answer| Said::answer(&mut history[answer])));
            }
            _ if content.as_ref().is_some_and(|content| !content.is_empty()) => {
                said.push(Said::plain("assistant", content));
            }
            _ => {}
        }
    }
    said
}

/// For each message the later ones that answer its calls, in their order. Ids may come again in later answers of the
/// model, whose own tools answer them.
fn answers(history: &[Message]) -> Vec<Vec<Option<usize>>> {
    let (mut answers, mut open) = (vec![Vec::new(); history.len()], HashMap::new());
    for (at, message) in history.iter().enumerate() {
        let ids = message.tool_calls.as_ref().map(ids).unwrap_or_default();
        answers[at] = vec![None; ids.len()];
        open.extend(ids.into_iter().enumerate().map(|(place, id)| (id, (at, place))));
        let answered = message.tool_call_id.as_ref().and_then(|id| open.remove(id));
        if let Some((asked, place)) = answered {
            answers[asked][place] = Some(at);
        }
    }
    answers
}

fn ids(calls: &Json) -> Vec<String> {
    #[derive(Deserialize)]
    struct Asked {
        id: String,
    }
    let calls: Vec<Asked> = serde_json::from_str(calls.get()).unwrap_or_default();
    calls.into_iter().map(|call| call.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpctl_events::time::LogTime;
    use mcpctl_projector::store::work::MessageStatus;

    fn message(role: &str, content: &str, calls: Option<&str>, answers: Option<&str>) -> Message {
        Message {
            turn_index: 0,
            role: role.to_owned(),
            content: Some(content.to_owned()),
            tool_calls: calls.map(|calls| serde_json::from_str(calls).unwrap()),
            tool_call_id: answers.map(str::to_owned),
            status: MessageStatus::Complete,
            created_at: LogTime::from_millis(1),
        }
    }

    fn heard(history: Vec<Message>) -> Vec<String> {
        let said = remembered(history);
        let id = |said: &Said| said.tool_call_id.clone().unwrap_or_default();
        said.iter().map(|it| format!("{} {}{}", it.role, it.content.clone().unwrap_or_default(), id(it))).collect()
    }

    #[test]
    fn each_call_is_heard_with_its_own_answer_or_not_at_all() {
        let call = || Some(r#"[{"id":"call_1"}]"#);
        let history = vec![
            message("user", "1", None, None),
            message("assistant", "", call(), None),
            // Its answer failed, and is not among the complete messages.
            message("user", "2", None, None),
            message("assistant", "see", call(), None),
            // A turn that went on at the same time.
            message("user", "3", None, None),
            message("tool", "two:", None, Some("call_1")),
            message("assistant", "done", None, None),
            message("tool", "nobody's:", None, Some("call_9")),
            message("assistant", "", Some("[]"), None),
        ];
        assert_eq!(
            heard(history),
            ["user 1", "user 2", "assistant see", "tool two:call_1", "user 3", "assistant done"]
        );
    }
}
