//! What a request takes: the verb, the resource, and the least role that has it.

use crate::{auth::Caller, error::ApiError};
use axum::http::{Method, StatusCode};
use mcpctl_events::event::token::Role;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Look.
    View,
    /// Call a model.
    Run,
    /// Offer models, and answer for them.
    Publish,
    /// Make a public row.
    Create,
    /// Change or pause one.
    Edit,
    /// Take one away.
    Delete,
}

impl Verb {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Run => "run",
            Self::Publish => "publish",
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
        }
    }

    /// The least role that may; each includes the ones before it.
    fn role(self) -> Role {
        match self {
            Self::View => Role::Viewer,
            Self::Run => Role::Chatter,
            Self::Publish => Role::Publisher,
            Self::Create | Self::Edit | Self::Delete => Role::Editor,
        }
    }
}

/// Refuses a request that the caller's role does not allow. What only admins may is told by its own route.
///
/// # Errors
/// 403, which names the verb, the resource and the role that has it.
pub fn check(caller: &Caller, method: &Method, path: &str) -> Result<(), ApiError> {
    let (verb, resource) = needed(method, path);
    let least = verb.role();
    if caller.role >= least {
        return Ok(());
    }
    let (user, verb, mine, least) = (&caller.user.name, verb.as_str(), caller.role.as_str(), least.as_str());
    let message = format!("'{user}' may not {verb} {resource}: that takes role {least}, and this token has {mine}");
    Err(ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))
}

/// Which verb a request is on which kind of resource.
fn needed(method: &Method, path: &str) -> (Verb, String) {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(rest) = path.strip_prefix("/api/v1/") else {
        // OpenAI's API: the list of models is looked at, all else calls one.
        return (if reads { Verb::View } else { Verb::Run }, "models".to_owned());
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let verb = match segments.as_slice() {
        ["llms", route, ..] if route.starts_with("_provider-") => Verb::Publish,
        ["agents", _, "tools"] => Verb::Run,
        _ if reads => Verb::View,
        ["llms", _, "infer"] | ["agents", _, "chat"] | ["inference-tasks" | "threads", ..] => Verb::Run,
        [_, _, "disable" | "enable"] => Verb::Edit,
        // The routes of an admin.
        ["gc" | "tokens" | "audit", ..] => Verb::View,
        _ if *method == Method::PUT => Verb::Edit,
        _ if *method == Method::DELETE => Verb::Delete,
        _ => Verb::Create,
    };
    (verb, segments.first().copied().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_takes_the_verb_of_what_it_does() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/llms", (Verb::View, "llms")),
            (Method::GET, "/api/v1/agents/coder/history", (Verb::View, "agents")),
            (Method::POST, "/api/v1/llms/_provider-register", (Verb::Publish, "llms")),
            (Method::GET, "/api/v1/llms/_provider-stream", (Verb::Publish, "llms")),
            (Method::POST, "/api/v1/llms/_provider-task/1/result", (Verb::Publish, "llms")),
            (Method::POST, "/api/v1/llms/qwen/infer", (Verb::Run, "llms")),
            (Method::POST, "/api/v1/agents/coder/chat", (Verb::Run, "agents")),
            (Method::GET, "/api/v1/agents/coder/tools", (Verb::Run, "agents")),
            (Method::POST, "/api/v1/inference-tasks", (Verb::Run, "inference-tasks")),
            (Method::DELETE, "/api/v1/inference-tasks/1", (Verb::Run, "inference-tasks")),
            (Method::GET, "/api/v1/inference-tasks/1", (Verb::View, "inference-tasks")),
            (Method::DELETE, "/api/v1/threads/1", (Verb::Run, "threads")),
            (Method::POST, "/api/v1/llms", (Verb::Create, "llms")),
            (Method::PUT, "/api/v1/agents/coder", (Verb::Edit, "agents")),
            (Method::POST, "/api/v1/agents/coder/disable", (Verb::Edit, "agents")),
            (Method::DELETE, "/api/v1/projects/apollo", (Verb::Delete, "projects")),
            (Method::GET, "/v1/models", (Verb::View, "models")),
            (Method::POST, "/v1/chat/completions", (Verb::Run, "models")),
        ] {
            let (verb, resource) = needed(&method, path);
            assert_eq!((verb, resource.as_str()), expected, "{method} {path}");
        }
    }
}
