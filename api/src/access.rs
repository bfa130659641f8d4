//! What a request takes: the verb, the resource, and whether the caller's role or a grant of theirs allows it.

use crate::{
    app::App,
    auth::{Caller, works},
    config::Auth,
    error::ApiError,
};
use axum::http::{Method, StatusCode};
use mcpctl_events::{
    access::{Grant, Kind, Verb},
    command::{Hand, Reach},
    definition::document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
    event::token::Role,
    name::SessionId,
    state::{State, StoredDocument},
};
use uuid::Uuid;

/// What a request does, as far as its method and path say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need<'a> {
    /// Nothing that not every token may, or what its own route asks for.
    Nothing,
    /// A verb on a resource of this kind; without a name, its route asks once more when it has read it.
    Of(Verb, Kind, Option<&'a str>),
    /// A verb on an Llm or an agent, which its route names.
    OfRows(Verb),
}

/// Refuses a request that neither the caller's role nor a grant allows. What only admins may is told by its own route.
///
/// # Errors
/// 403, which names the verb, the resource, and what would allow it.
pub fn check(app: &App, caller: &Caller, method: &Method, path: &str) -> Result<(), ApiError> {
    match needed(method, path) {
        Need::Nothing => Ok(()),
        Need::OfRows(verb) => allow(app, caller, verb, Kind::Llm, None)
            .or_else(|refused| allow(app, caller, verb, Kind::Agent, None).map_err(|_| refused)),
        Need::Of(verb @ (Verb::Edit | Verb::Delete), kind, Some(text)) => {
            let name = app.look(|state| called(state, kind, text).to_owned());
            allow_change(app, caller, verb, kind, &name)
        }
        Need::Of(verb, kind, name) => allow(app, caller, verb, kind, name),
    }
}

/// Refuses what neither the caller's role nor a grant of theirs allows. Without a name, a grant for any will do.
pub fn allow(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: Option<&str>) -> Result<(), ApiError> {
    match reason(app, caller, verb, kind, name) {
        Some(_) => Ok(()),
        None => Err(denied(caller, verb, kind, name)),
    }
}

/// Refuses to edit or delete what neither the caller's role nor a grant of theirs allows, and what they do not publish.
pub fn allow_change(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: &str) -> Result<(), ApiError> {
    // Whoever publishes a row may take it away; the writer looks whose it is.
    let is_publishable = verb == Verb::Delete && matches!(kind, Kind::Llm | Kind::Agent);
    if is_publishable && reason(app, caller, Verb::Publish, kind, Some(name)).is_some() {
        return Ok(());
    }
    allow(app, caller, verb, kind, Some(name))
}

/// How far the caller's hand reaches when they delete or replace the row of this name.
pub fn hand(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: &str) -> Hand {
    // What was granted was named by an admin, and reaches further than the role.
    let reach = match granted(app, caller, verb, kind, Some(name)) {
        _ if caller.role == Role::Admin => Reach::All,
        Some(_) => Reach::All,
        None if caller.role >= verb.role() => Reach::Public,
        None => Reach::Own,
    };
    Hand { user: caller.user.id, reach }
}

/// Why something is allowed.
pub enum Reason {
    /// By the role of the caller's token.
    Role,
    /// By something that the user was granted.
    Grant(Grant),
}

/// Why the caller may do it; `None` if they may not.
pub fn reason(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: Option<&str>) -> Option<Reason> {
    if caller.role >= verb.role() {
        return Some(Reason::Role);
    }
    granted(app, caller, verb, kind, name).map(Reason::Grant)
}

/// Whether a user may do it now, with any token that works: what they asked for earlier is done on their behalf.
pub fn may(app: &App, user: Uuid, verb: Verb, kind: Kind, name: &str) -> bool {
    if app.config.args.auth == Auth::Off {
        return true;
    }
    let now = app.clock.now();
    app.look(|state| {
        let mut tokens = state.tokens.values().filter(|token| token.user_id == user && works(token, now));
        let grants = tokens.clone().next().and_then(|token| state.grants.get(&token.user));
        tokens.any(|token| token.role >= verb.role())
            || grants.is_some_and(|grants| grants.keys().any(|grant| grant.allows(verb, kind, Some(name))))
    })
}

fn granted(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: Option<&str>) -> Option<Grant> {
    app.look(|state| {
        let grants = state.grants.get(&caller.user.name)?;
        grants.keys().find(|grant| grant.allows(verb, kind, name)).cloned()
    })
}

/// What somebody who does `verb` by a grant alone changes besides the row that the grant names: they need another one for
/// that. A role is for all names.
pub fn allow_besides(app: &App, caller: &Caller, verb: Verb, besides: (Verb, Kind, &str)) -> Result<(), ApiError> {
    let (other, kind, name) = besides;
    if caller.role >= verb.role() { Ok(()) } else { allow(app, caller, other, kind, Some(name)) }
}

/// Whether a publisher may still publish all that its session holds: a grant may have been withdrawn since it registered.
pub fn publishes(app: &App, caller: &Caller, session: &SessionId) -> Result<(), ApiError> {
    if caller.role >= Verb::Publish.role() {
        return Ok(());
    }
    let rows = app.look(|state| {
        let session = state.sessions.get(session).filter(|session| session.user_id == caller.user.id)?;
        let llms = session.llms.iter().map(|name| (Kind::Llm, name.clone()));
        // Calls of a pool are its members' to answer.
        let rows = session.llms.iter().filter_map(|name| state.llms.get(name));
        let pools = rows.filter_map(|row| Some((Kind::Llm, row.definition.pool_name.clone()?)));
        let agents = session.agents.iter().map(|name| (Kind::Agent, name.clone()));
        let published = llms.chain(pools).chain(agents).map(|(kind, name)| (Verb::Publish, kind, name));
        // As when they were registered: the model of another, and the tools of a project, are not theirs to give.
        let rows = || session.agents.iter().filter_map(|name| state.agents.get(name)).map(|row| &row.definition);
        let pins = rows().map(|agent| agent.llm.name.clone()).filter(|llm| !session.llms.contains(llm));
        let pins = pins.map(|llm| (Verb::Run, Kind::Llm, llm));
        let projects = rows().filter_map(|agent| Some((Verb::Edit, Kind::Project, agent.project.clone()?)));
        Some(published.chain(pins).chain(projects).collect::<Vec<_>>())
    });
    let mut rows = rows.into_iter().flatten();
    rows.try_for_each(|(verb, kind, name)| allow(app, caller, verb, kind, Some(&name)))
}

/// 403, which names what is missing.
pub fn denied(caller: &Caller, verb: Verb, kind: Kind, name: Option<&str>) -> ApiError {
    let (user, mine, least) = (&caller.user.name, caller.role.as_str(), verb.role().as_str());
    let (verb, kind) = (verb.as_str(), kind.as_str());
    let resource = name.map_or_else(|| format!("{kind}s"), |name| format!("{kind}/{}", name.escape_default()));
    let pattern = name.map_or("*".to_owned(), |name| name.escape_default().to_string());
    let message = format!(
        "'{user}' may not {verb} {resource}: that takes role {least}, or a grant of `{verb} {kind}/{pattern}`, and this \
         token has role {mine}"
    );
    ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
}

/// The name of the row or document that a path means, maybe by its id; a name wins. What bodies say, and what is called,
/// are names alone.
fn called<'a>(state: &'a State, kind: Kind, text: &'a str) -> &'a str {
    fn document<'a, D: StoredDocument + 'a>(state: &'a State, text: &str, id: Uuid) -> Option<&'a str> {
        let documents = D::documents(state);
        documents.get(text).or_else(|| documents.by_id(id)).map(|found| found.name.as_str())
    }
    let Ok(id) = Uuid::parse_str(text) else { return text };
    let found = match kind {
        Kind::Llm => state.llms.get(text).or_else(|| state.llms.by_id(id)).map(|row| row.name.as_str()),
        Kind::Agent => state.agents.get(text).or_else(|| state.agents.by_id(id)).map(|row| row.name.as_str()),
        Kind::Project => document::<ProjectDefinition>(state, text, id),
        Kind::Personality => document::<PersonalityDefinition>(state, text, id),
        Kind::Prompt => document::<PromptDefinition>(state, text, id),
    };
    found.unwrap_or(text)
}

/// The kind that a list of the API is of.
fn kind_of(list: &str) -> Option<Kind> {
    Some(match list {
        "llms" => Kind::Llm,
        "agents" => Kind::Agent,
        "projects" => Kind::Project,
        "personalities" => Kind::Personality,
        "prompts" => Kind::Prompt,
        _ => return None,
    })
}

fn needed<'a>(method: &Method, path: &'a str) -> Need<'a> {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(rest) = path.strip_prefix("/api/v1/") else {
        // OpenAI's API: the list of models is looked at, all else calls one.
        return if reads { Need::Nothing } else { Need::OfRows(Verb::Run) };
    };
    let mut segments = rest.split('/');
    let (list, name, action) = (segments.next().unwrap_or_default(), segments.next(), segments.next());
    // Names have no letters that are escaped in a path. What has is no name, and only a grant for all of them fits.
    let name = name.map(|name| if name.contains('%') { "" } else { name });
    match (list, name, action) {
        ("llms", Some(route), _) if route.starts_with("_provider-") => Need::OfRows(Verb::Publish),
        ("agents", Some(_), Some("tools")) => Need::Of(Verb::Run, Kind::Agent, name),
        _ if reads => Need::Nothing,
        ("llms", _, Some("infer")) => Need::Of(Verb::Run, Kind::Llm, name),
        ("agents", _, Some("chat")) => Need::Of(Verb::Run, Kind::Agent, name),
        // Own ones are anybody's to end.
        ("inference-tasks", None, _) => Need::OfRows(Verb::Run),
        _ => match (kind_of(list), action) {
            (Some(kind), None) if *method == Method::PUT => Need::Of(Verb::Edit, kind, name),
            (Some(kind), None) if *method == Method::DELETE => Need::Of(Verb::Delete, kind, name),
            (Some(kind), None) => Need::Of(Verb::Create, kind, None),
            // A pause, however it is spelled; the route asks once more.
            (Some(kind), Some(_)) => Need::Of(Verb::Edit, kind, name),
            _ => Need::Nothing,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_takes_the_verb_of_what_it_does() {
        let (run, publish) = (Need::OfRows(Verb::Run), Need::OfRows(Verb::Publish));
        let of = |verb, kind, name| Need::Of(verb, kind, name);
        for (method, path, expected) in [
            (Method::GET, "/api/v1/llms", Need::Nothing),
            (Method::GET, "/api/v1/agents/coder/history", Need::Nothing),
            (Method::POST, "/api/v1/llms/_provider-register", publish),
            (Method::GET, "/api/v1/llms/_provider-stream", publish),
            (Method::POST, "/api/v1/llms/_provider-register/dry-run", publish),
            // Each document is asked for.
            (Method::POST, "/api/v1/dry-run", Need::Nothing),
            (Method::POST, "/api/v1/llms/_provider-task/1/result", publish),
            (Method::POST, "/api/v1/llms/qwen/infer", of(Verb::Run, Kind::Llm, Some("qwen"))),
            (Method::POST, "/api/v1/llms/q%77en/infer", of(Verb::Run, Kind::Llm, Some(""))),
            (Method::POST, "/api/v1/agents/coder/chat", of(Verb::Run, Kind::Agent, Some("coder"))),
            (Method::GET, "/api/v1/agents/coder/tools", of(Verb::Run, Kind::Agent, Some("coder"))),
            (Method::POST, "/api/v1/inference-tasks", run),
            (Method::DELETE, "/api/v1/inference-tasks/1", Need::Nothing),
            (Method::GET, "/api/v1/inference-tasks/1", Need::Nothing),
            (Method::DELETE, "/api/v1/threads/1", Need::Nothing),
            (Method::POST, "/api/v1/llms", of(Verb::Create, Kind::Llm, None)),
            (Method::PUT, "/api/v1/agents/coder", of(Verb::Edit, Kind::Agent, Some("coder"))),
            (Method::POST, "/api/v1/agents/coder/disable", of(Verb::Edit, Kind::Agent, Some("coder"))),
            (Method::POST, "/api/v1/agents/coder/%64isable", of(Verb::Edit, Kind::Agent, Some("coder"))),
            (Method::POST, "/api/v1/agents/coder/%63hat", of(Verb::Edit, Kind::Agent, Some("coder"))),
            (Method::DELETE, "/api/v1/projects/apollo", of(Verb::Delete, Kind::Project, Some("apollo"))),
            (Method::GET, "/v1/models", Need::Nothing),
            (Method::POST, "/v1/chat/completions", run),
        ] {
            assert_eq!(needed(&method, path), expected, "{method} {path}");
        }
    }
}
