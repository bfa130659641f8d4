//! `/api/v1/auth`: whose token it is, and what it may do.

use crate::{
    access::{self, Reason},
    app::App,
    auth::Caller,
    error::ApiError,
    json::Problems,
    routes::openapi::values,
};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use mcpctl_events::{
    access::{BadGrant, Kind, Verb},
    command::Reach,
    event::row,
    wire::{
        access::{Verdict, WhoAmI},
        error::ErrorBody,
    },
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// What only admins may, besides what is done to rows and documents.
const ADMIN: [&str; 4] = ["token", "grant", "log", "registry"];
const VERB: &str = "is view, create, edit, delete, run, publish, audit or gc";
const RESOURCE: &str = "is a kind, such as agent, or a kind and a name, such as agent/local-coder; kinds are llm, agent, \
                        project, personality, prompt, token, grant, log and registry";

/// Query of `can-i`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Question {
    /// What is to be done: `run`.
    #[param(value_type = values::AnyVerb)]
    verb: String,
    /// To what: `agent/local-coder`, or `agent` for all of them.
    #[param(value_type = values::AnyResource)]
    resource: String,
}

/// Says whose token this is.
#[utoipa::path(get, path = "/api/v1/auth/whoami", operation_id = "whoAmI", tag = "access",
    responses((status = 200, body = WhoAmI), (status = "default", body = ErrorBody)))]
pub async fn who_am_i(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Json<WhoAmI> {
    Json(app.look(|state| {
        let token = caller.token.as_ref().and_then(|hash| state.tokens.get(hash));
        let grants = state.grants.get(&caller.user.name).into_iter().flatten();
        WhoAmI {
            user: caller.user.name.to_string(),
            role: caller.role.as_str().to_owned(),
            token: token.map(|token| token.name.to_string()),
            expires_at: token.and_then(|token| token.expires_at).map(|end| end.to_string()),
            grants: grants.map(|(grant, _)| grant.to_string()).collect(),
        }
    }))
}

/// Says whether the caller may do something, and why, or what is missing.
#[utoipa::path(get, path = "/api/v1/auth/can-i", operation_id = "canI", tag = "access", params(Question),
    responses((status = 200, body = Verdict), (status = "default", body = ErrorBody)))]
pub async fn can_i(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(question): Query<Question>,
) -> Result<Json<Verdict>, ApiError> {
    let (kind, name) = match question.resource.split_once('/') {
        Some((kind, name)) => (kind, Some(name).filter(|name| *name != "*")),
        None => (&*question.resource, None),
    };
    let problems = Problems::default();
    if !matches!(&*question.verb, "audit" | "gc") && Verb::parse(&question.verb).is_none() {
        problems.add("verb", VERB);
    }
    if !ADMIN.contains(&kind) && Kind::parse(kind).is_none() {
        problems.add("resource", RESOURCE);
    }
    problems.check(Some(()))?;
    Ok(Json(match Verb::parse(&question.verb).zip(Kind::parse(kind)) {
        Some((verb, kind)) => verdict(&app, &caller, verb, kind, name),
        None => match caller.must_be_admin(&question.verb, &question.resource) {
            Ok(()) => Verdict { allowed: true, reason: by_role(&caller) },
            Err(error) => Verdict { allowed: false, reason: error.message },
        },
    }))
}

fn verdict(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: Option<&str>) -> Verdict {
    if verb != Verb::View && !verb.is_grantable(kind) {
        return Verdict { allowed: false, reason: BadGrant::Foreign(verb).to_string() };
    }
    if let Some(verdict) = name.and_then(|name| of_virtual(app, caller, verb, kind, name)) {
        return verdict;
    }
    // A grant for some of them is none for all of them.
    match access::reason(app, caller, verb, kind, Some(name.unwrap_or_default())) {
        Some(Reason::Role) => Verdict { allowed: true, reason: by_role(caller) },
        Some(Reason::Grant(grant)) => {
            let reason = format!("user '{}' was granted `{grant}`", caller.user.name);
            Verdict { allowed: true, reason }
        }
        None => Verdict { allowed: false, reason: access::denied(caller, verb, kind, name).message },
    }
}

/// Whose a virtual row is decides who deletes it, and who makes it public by editing it.
fn of_virtual(app: &App, caller: &Caller, verb: Verb, kind: Kind, name: &str) -> Option<Verdict> {
    let owner = app.look(|state| match kind {
        Kind::Llm => state.llms.get(name).filter(|row| row.kind == row::Kind::Virtual).map(|row| row.owner),
        Kind::Agent => state.agents.get(name).filter(|row| row.kind == row::Kind::Virtual).map(|row| row.owner),
        Kind::Project | Kind::Personality | Kind::Prompt => None,
    });
    let is_own = owner.filter(|_| matches!(verb, Verb::Delete | Verb::Edit))? == caller.user.id;
    if access::hand(app, caller, verb, kind, name).reach == Reach::All {
        return None;
    }
    let publishes = access::reason(app, caller, Verb::Publish, kind, Some(name)).is_some();
    let (user, kind, verb_word) = (&caller.user.name, kind.as_str(), verb.as_str());
    if is_own {
        return (publishes && verb == Verb::Delete)
            .then(|| Verdict { allowed: true, reason: format!("user '{user}' publishes it") });
    }
    let reason = format!(
        "'{user}' may not {verb_word} {kind}/{name}: it is virtual and belongs to another user; that takes role admin, or a grant \
         of `{verb_word} {kind}/{name}`"
    );
    Some(Verdict { allowed: false, reason })
}

fn by_role(caller: &Caller) -> String {
    format!("the token of user '{}' has role {}", caller.user.name, caller.role.as_str())
}
