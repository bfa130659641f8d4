//! `POST /api/v1/dry-run`: what documents would do, each on top of those before it. Nothing is written.

use super::{agents, documents, llms, openapi::bodies};
use crate::{
    access,
    app::App,
    auth::Caller,
    error::ApiError,
    json::{self, Problems},
    present,
    rehearsal::{Rehearsal, rehearse},
};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    access::{Kind, Verb},
    command::Command,
    definition::document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
    name::Name,
    state::State as Registry,
    wire::{
        dry_run::{MOST, Outcome, Tried, Wish, Wishes},
        error::ErrorBody,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::{collections::HashSet, sync::Arc};

/// Levels that the list of documents puts around each.
const AROUND: usize = 3;

/// Says what documents would do, one after the other, up to the first that would be refused.
#[utoipa::path(post, path = "/api/v1/dry-run", operation_id = "dryRun", tag = "registry", request_body = bodies::Wishes,
    responses((status = 200, body = Tried), (status = "default", body = ErrorBody)))]
pub async fn dry_run(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read_body(body, &app.config.args).await?;
    // All of it may take longer than calls under way may wait for their next chunk.
    let depth = app.config.args.max_json_depth;
    let wishes = tokio::task::spawn_blocking(move || parse(&body, depth)).await.map_err(ApiError::internal)??;
    let asked = caller.clone();
    let tried = rehearse(&app, &caller, move |app, rehearsal| try_all(app, rehearsal, &asked, wishes)).await?;
    Ok(([(CONTENT_TYPE, "application/json")], tried).into_response())
}

fn parse(body: &Bytes, depth: usize) -> Result<Vec<(Kind, Wished)>, ApiError> {
    json::check_depth(body, depth + AROUND)?;
    let wishes: Wishes = json::object(body).map_err(|error| ApiError::invalid("", error.to_string()))?;
    read(body, &wishes)
}

fn try_all(
    app: &App,
    mut rehearsal: Rehearsal,
    caller: &Caller,
    wishes: Vec<(Kind, Wished)>,
) -> Result<Bytes, ApiError> {
    let depth = app.config.args.max_json_depth;
    let mut documents = Vec::with_capacity(wishes.len());
    for (kind, wish) in wishes {
        let tried = match wish {
            Wished::Definition(body) => {
                json::check_depth(&body, depth).and_then(|()| one(app, &mut rehearsal, caller, kind, &body))
            }
            Wished::Deletion(name) => delete(app, &mut rehearsal, caller, kind, name),
        };
        match tried {
            Ok(outcome) => documents.push(outcome),
            // That nothing can be found out is no document's fault.
            Err(error) if error.status.is_server_error() => return Err(error),
            Err(error) => {
                documents.push(Outcome::Refused { status: error.status.as_u16(), error: error.body() });
                break;
            }
        }
    }
    serde_json::to_vec(&Tried { documents }).map(Bytes::from).map_err(ApiError::internal)
}

enum Wished {
    Definition(Bytes),
    Deletion(Name),
}

/// All of them, or every problem with what is around the definitions.
fn read(body: &Bytes, wishes: &Wishes<'_>) -> Result<Vec<(Kind, Wished)>, ApiError> {
    let (problems, mut read, mut names) = (Problems::default(), Vec::new(), HashSet::new());
    if wishes.documents.len() > MOST {
        problems.add("/documents", format!("are more than {MOST}: try them in parts"));
        return problems.check(None);
    }
    for (index, wish) in wishes.documents.iter().enumerate() {
        let at = format!("/documents/{index}");
        let wish: Wish<'_> = match json::object(wish.get().as_bytes()) {
            Ok(wish) => wish,
            Err(error) => {
                problems.add(at, error.to_string());
                continue;
            }
        };
        let Some(kind) = Kind::parse(&wish.kind) else {
            problems.add(format!("{at}/kind"), format!("is one of {}", words()));
            continue;
        };
        let (wished, name) = match (wish.definition, wish.delete) {
            (Some(definition), None) if definition.get().starts_with('{') => {
                let definition = definition.get().as_bytes();
                (Wished::Definition(body.slice_ref(definition)), name_in(definition))
            }
            (Some(_), None) => {
                problems.add(format!("{at}/definition"), "is an object");
                continue;
            }
            (None, Some(name)) if matches!(kind, Kind::Llm | Kind::Agent) => match Name::parse(&name) {
                Ok(name) => (Wished::Deletion(name.clone()), Some(name)),
                Err(error) => {
                    problems.add(format!("{at}/delete"), error.to_string());
                    continue;
                }
            },
            (None, Some(_)) => {
                problems.add(format!("{at}/delete"), "is for Llms and agents");
                continue;
            }
            _ => {
                problems.add(at, "has either `definition` or `delete`");
                continue;
            }
        };
        if name.is_some_and(|name| !names.insert((kind.as_str(), name))) {
            problems.add(at, "is there twice, by its kind and name");
        }
        read.push((kind, wished));
    }
    problems.check(Some(read))
}

fn words() -> String {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

fn one(app: &App, rehearsal: &mut Rehearsal, caller: &Caller, kind: Kind, body: &[u8]) -> Result<Outcome, ApiError> {
    let named = name_in(body).filter(|name| rehearsal.look(app, |state| is_there(state, kind, name)));
    let (name, command) = if let Some(name) = &named {
        access::allow(app, caller, Verb::Edit, kind, Some(name))?;
        (name.clone(), replacement(app, caller, kind, name, body)?)
    } else {
        access::allow(app, caller, Verb::Create, kind, None)?;
        creation(app, caller, kind, body)?
    };
    if !rehearsal.decide(app, &command)? {
        return Ok(Outcome::Unchanged {});
    }
    let row = rehearsal.look(app, |state| shown(app, state, kind, &name));
    let row = row.ok_or_else(|| ApiError::internal("what was rehearsed cannot be shown"))?;
    Ok(if named.is_none() { Outcome::Created { row } } else { Outcome::Configured { row } })
}

fn delete(app: &App, rehearsal: &mut Rehearsal, caller: &Caller, kind: Kind, name: Name) -> Result<Outcome, ApiError> {
    access::allow_change(app, caller, Verb::Delete, kind, &name)?;
    let command =
        if kind == Kind::Llm { llms::deletion(app, caller, name) } else { agents::deletion(app, caller, name) };
    rehearsal.decide(app, &command)?;
    Ok(Outcome::Deleted {})
}

/// The name in a body, where it is one: whoever reads the rest says what is wrong with it.
fn name_in(body: &[u8]) -> Option<Name> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    Name::parse(&json::object::<Named>(body).ok()?.name).ok()
}

fn is_there(state: &Registry, kind: Kind, name: &Name) -> bool {
    match kind {
        Kind::Llm => state.llms.get(name).is_some(),
        Kind::Agent => state.agents.get(name).is_some(),
        Kind::Project => state.projects.get(name).is_some(),
        Kind::Personality => state.personalities.get(name).is_some(),
        Kind::Prompt => state.prompts.get(name).is_some(),
    }
}

fn creation(app: &App, caller: &Caller, kind: Kind, body: &[u8]) -> Result<(Name, Command), ApiError> {
    match kind {
        Kind::Llm => llms::creation(app, caller, body),
        Kind::Agent => agents::creation(app, caller, body),
        Kind::Project => documents::creation::<ProjectDefinition>(app, caller, body),
        Kind::Personality => documents::creation::<PersonalityDefinition>(app, caller, body),
        Kind::Prompt => documents::creation::<PromptDefinition>(app, caller, body),
    }
}

fn replacement(app: &App, caller: &Caller, kind: Kind, name: &Name, body: &[u8]) -> Result<Command, ApiError> {
    match kind {
        Kind::Llm => llms::replacement(app, caller, name, None, body),
        Kind::Agent => agents::replacement(app, caller, name, None, body),
        Kind::Project => documents::replacement::<ProjectDefinition>(app, caller, name, None, body),
        Kind::Personality => documents::replacement::<PersonalityDefinition>(app, caller, name, None, body),
        Kind::Prompt => documents::replacement::<PromptDefinition>(app, caller, name, None, body),
    }
}

fn shown(app: &App, state: &Registry, kind: Kind, name: &Name) -> Option<Box<RawValue>> {
    fn raw<T: Serialize>(row: Option<T>) -> Option<Box<RawValue>> {
        to_raw_value(&row?).ok()
    }
    fn document<D: documents::Kind>(state: &Registry, name: &Name) -> Option<Box<RawValue>> {
        raw(D::documents(state).get(name).map(|document| D::shown(document)))
    }
    match kind {
        Kind::Llm => raw(state.llms.get(name).map(|row| present::llm(app, state, row))),
        Kind::Agent => raw(state.agents.get(name).map(|row| present::agent(app, state, row))),
        Kind::Project => document::<ProjectDefinition>(state, name),
        Kind::Personality => document::<PersonalityDefinition>(state, name),
        Kind::Prompt => document::<PromptDefinition>(state, name),
    }
}
