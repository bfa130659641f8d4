//! What a caller asks of an agent in one turn.

use super::persona::Wish;
use crate::{
    error::ApiError,
    json::{Fields, Problems},
    tools::{Allowed, MAX_PATTERNS},
};
use mcpctl_events::{json::Json, name::Name};

/// How often a model is asked in one turn, unless the caller says so.
const ITERATIONS: u32 = 10;
const MAX_ITERATIONS: u32 = 100;

/// What a caller asks of an agent.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What the user says.
    pub message: String,
    /// Thread to go on with.
    pub thread_id: Option<String>,
    /// Title of a new thread.
    pub title: Option<String>,
    /// Whether to stream.
    pub stream: bool,
    /// Personality to speak with.
    pub personality: Option<Name>,
    /// In place of the agent's own prompt.
    pub system_prompt: Option<String>,
    /// After everything else in the system block.
    pub system_append: Option<String>,
    /// Over the agent's defaults.
    pub params: Option<Json>,
    /// Tools that may run.
    pub allow_tools: Allowed,
    /// How often the model may be asked.
    pub max_iterations: u32,
}

impl Turn {
    /// What it wants of the agent's system block.
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            personality: self.personality.as_ref(),
            own: self.system_prompt.as_deref(),
            append: self.system_append.as_deref(),
        }
    }

    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let problems = Problems::default();
        let mut fields = Fields::parse(body, &problems)?;
        let message = fields.required_string("message");
        let (thread_id, title) = (fields.string("threadId"), fields.string("title"));
        let stream = fields.flag("stream").unwrap_or(false);
        let personality = fields.name("personality");
        let (system_prompt, system_append) = (fields.string("systemPrompt"), fields.string("systemAppend"));
        let params = fields.params("params");
        let allow_tools = fields.strings("allowTools");
        if allow_tools.as_ref().is_some_and(|patterns| patterns.len() > MAX_PATTERNS) {
            fields.problem("allowTools", format!("has at most {MAX_PATTERNS} names or globs"));
        }
        let max_iterations = fields.count("maxIterations").unwrap_or(ITERATIONS);
        if max_iterations > MAX_ITERATIONS {
            fields.problem("maxIterations", format!("is at most {MAX_ITERATIONS}"));
        }
        fields.refuse_unknown();
        problems.check(message.map(|message| Self {
            message,
            thread_id,
            title,
            stream,
            personality,
            system_prompt,
            system_append,
            params,
            allow_tools: Allowed::new(allow_tools),
            max_iterations,
        }))
    }
}
