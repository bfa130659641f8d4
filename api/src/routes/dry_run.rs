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
    writer::WriteError,
};
use axum::{Extension, Json, body::Body, extract::State};
use mcpctl_events::{
    access::{Kind, Verb},
    command::Command,
    definition::document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
    name::Name,
    state::State as Registry,
    wire::{
        dry_run::{Outcome, Tried, Wish, Wishes},
        error::ErrorBody,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// Says what documents would do, one after the other, up to the first that would be refused.
#[utoipa::path(post, path = "/api/v1/dry-run", operation_id = "dryRun", tag = "registry", request_body = bodies::Wishes,
    responses((status = 200, body = Tried), (status = "default", body = ErrorBody)))]
pub async fn dry_run(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<Tried>, ApiError> {
    let body = json::read_json(body, &app.config.args).await?;
    let wishes: Wishes = json::object(&body).map_err(|error| ApiError::invalid("", error.to_string()))?;
    let wishes = read(wishes)?;
    let asked = caller.clone();
    rehearse(&app, &caller, move |app, rehearsal| all(app, rehearsal, &asked, &wishes)).await.map(Json)
}

fn read(wishes: Wishes<'_>) -> Result<Vec<(Kind, Box<RawValue>)>, ApiError> {
    let (problems, mut read) = (Problems::default(), Vec::with_capacity(wishes.documents.len()));
    for (index, Wish { kind, definition }) in wishes.documents.into_iter().enumerate() {
        if !definition.get().starts_with('{') {
            problems.add(format!("/documents/{index}/definition"), "is an object");
        }
        match Kind::parse(&kind) {
            Some(kind) => read.push((kind, definition.to_owned())),
            None => problems.add(format!("/documents/{index}/kind"), format!("is one of {}", words())),
        }
    }
    problems.check(Some(read))
}

fn words() -> String {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

fn all(app: &App, mut rehearsal: Rehearsal, caller: &Caller, wishes: &[(Kind, Box<RawValue>)]) -> Tried {
    let mut documents = Vec::with_capacity(wishes.len());
    for (kind, definition) in wishes {
        let tried = one(app, &mut rehearsal, caller, *kind, definition.get().as_bytes());
        let refused = |error: ApiError| Outcome::Refused { status: error.status.as_u16(), error: error.body() };
        let is_refused = tried.is_err();
        documents.push(tried.unwrap_or_else(refused));
        if is_refused {
            break;
        }
    }
    Tried { documents }
}

fn one(app: &App, rehearsal: &mut Rehearsal, caller: &Caller, kind: Kind, body: &[u8]) -> Result<Outcome, ApiError> {
    let named = name_in(body).filter(|name| is_there(&rehearsal.state, kind, name));
    let (name, command) = match &named {
        Some(name) => {
            access::allow(app, caller, Verb::Edit, kind, Some(name))?;
            (name.clone(), replacement(app, caller, kind, name, body)?)
        }
        None => creation(app, caller, kind, body)?,
    };
    let changed = rehearsal.decide(&command).map_err(WriteError::from)?;
    let row = shown(app, &rehearsal.state, kind, &name)?;
    Ok(match (named, changed) {
        (None, _) => Outcome::Created { row },
        (Some(_), true) => Outcome::Configured { row },
        (Some(_), false) => Outcome::Unchanged { row },
    })
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

fn shown(app: &App, state: &Registry, kind: Kind, name: &Name) -> Result<Box<RawValue>, ApiError> {
    fn raw<T: Serialize>(row: Option<T>) -> Option<Box<RawValue>> {
        to_raw_value(&row?).ok()
    }
    fn document<D: documents::Kind>(state: &Registry, name: &Name) -> Option<Box<RawValue>> {
        raw(D::documents(state).get(name).map(|document| D::shown(document)))
    }
    let row = match kind {
        Kind::Llm => raw(state.llms.get(name).map(|row| present::llm(app, state, row))),
        Kind::Agent => raw(state.agents.get(name).map(|row| present::agent(app, state, row))),
        Kind::Project => document::<ProjectDefinition>(state, name),
        Kind::Personality => document::<PersonalityDefinition>(state, name),
        Kind::Prompt => document::<PromptDefinition>(state, name),
    };
    row.ok_or_else(|| ApiError::internal("what was rehearsed cannot be shown"))
}
