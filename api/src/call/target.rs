//! What a name means to a caller, and which ways there are to it now.

use super::offline;
use crate::{
    app::App,
    error::ApiError,
    relay::places::{Elsewhere, Way},
};
use mcpctl_events::{
    definition::Pin,
    event::row::{Kind, Status},
    state::{Llm, State},
};
use std::sync::Arc;
use uuid::Uuid;

/// What a call goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This row alone.
    Llm(Uuid, String),
    /// This row, by a stream of this process: another replica asks for it.
    Here(Uuid, String),
    /// Whichever member of the pool is free.
    Pool(String),
}

/// Where a target stands.
#[derive(Debug)]
pub enum Standing {
    /// It can be called by these ways; where there is no room, this model can be woken, or called where it is held.
    Awake(Vec<Way>, Option<Way>),
    /// None of it is awake; this model can be woken.
    Asleep(Way),
    /// Its publisher is not connected, but may be back in a moment; the error says since when.
    Away(ApiError),
}

impl Target {
    /// The Llm of this name, else the pool.
    pub fn named(state: &State, name: &str) -> Option<Self> {
        match state.llms.get(name) {
            Some(llm) => Some(Self::Llm(llm.id, name.to_owned())),
            None => state.pool(name).is_some().then(|| Self::Pool(name.to_owned())),
        }
    }

    /// What an agent is pinned to.
    pub fn pinned(pin: &Pin) -> Self {
        match pin.id {
            Some(id) => Self::Llm(id, pin.name.to_string()),
            None => Self::Pool(pin.name.to_string()),
        }
    }

    /// How it is called.
    pub fn name(&self) -> &str {
        let (Self::Llm(_, name) | Self::Here(_, name) | Self::Pool(name)) = self;
        name
    }

    fn members(&self, state: &State) -> Vec<Arc<Llm>> {
        match self {
            Self::Llm(id, _) | Self::Here(id, _) => state.llms.by_id(*id).cloned().into_iter().collect(),
            Self::Pool(name) => state.pool(name).into_iter().flatten().cloned().collect(),
        }
    }

    /// Where it stands, apart from the rows that were tried already.
    ///
    /// # Errors
    /// None of it can be called; why, and since when.
    pub fn standing(&self, app: &App, tried: &[Uuid]) -> Result<Standing, ApiError> {
        let mut members = app.look(|state| self.members(state));
        members.retain(|llm| !tried.contains(&llm.id));
        let (mut awake, mut asleep, mut away, mut out) = (Vec::new(), None, None, None);
        let mut asleep_elsewhere = Vec::new();
        for llm in members {
            match Reach::of(app, &llm) {
                Reach::Awake(binding) => awake.push(Way { llm, binding, elsewhere: None }),
                Reach::Elsewhere(node) if !matches!(self, Self::Here(..)) => {
                    let way = Way { llm, binding: None, elsewhere: Some(node) };
                    if way.is_asleep() { &mut asleep_elsewhere } else { &mut awake }.push(way);
                }
                Reach::Asleep(binding) => {
                    asleep = asleep.or(Some(Way { llm, binding: Some(binding), elsewhere: None }));
                }
                Reach::Elsewhere(_) | Reach::Away => away = away.or(Some(llm)),
                Reach::Out(error) => out = out.or(Some(error)),
            }
        }
        // The replica that holds its stream wakes it: to be called is all that it takes.
        if awake.is_empty() {
            awake = asleep_elsewhere;
        } else {
            asleep = asleep.or(asleep_elsewhere.pop());
        }
        match (awake.is_empty(), asleep, away) {
            (false, asleep, _) => Ok(Standing::Awake(awake, asleep)),
            (true, Some(way), _) => Ok(Standing::Asleep(way)),
            (true, None, Some(llm)) => Ok(Standing::Away(self.explain(offline(app, "Llm", &llm)))),
            (true, None, None) => Err(out.map_or_else(|| self.not_found(), |error| self.explain(error))),
        }
    }

    /// Whether it can be called now, or woken.
    pub fn is_callable(&self, app: &App) -> bool {
        matches!(self.standing(app, &[]), Ok(Standing::Awake(..) | Standing::Asleep(_)))
    }

    /// 404.
    pub fn not_found(&self) -> ApiError {
        match self {
            Self::Llm(_, name) | Self::Here(_, name) => not_found(name),
            Self::Pool(name) => ApiError::not_found(format!("pool not found: {name}")),
        }
    }

    fn explain(&self, error: ApiError) -> ApiError {
        match self {
            Self::Llm(..) | Self::Here(..) => error,
            Self::Pool(name) => {
                let message = format!("no member of pool '{name}' can be called; {}", error.message);
                ApiError { message, ..error }
            }
        }
    }
}

/// How a row can be reached.
enum Reach {
    Awake(Option<Arc<crate::relay::binding::Binding>>),
    /// By the stream of another replica, which wakes it if it sleeps.
    Elsewhere(Elsewhere),
    Asleep(Arc<crate::relay::binding::Binding>),
    Away,
    Out(ApiError),
}

impl Reach {
    fn of(app: &App, llm: &Llm) -> Self {
        if llm.disabled {
            let message = format!("Llm '{}' is disabled; `mcpctl enable llm {}` ends that", llm.name, llm.name);
            return Self::Out(ApiError::unavailable("DISABLED", message, 60));
        }
        if llm.kind == Kind::Public {
            return Self::Awake(None);
        }
        let Some(session) = llm.session.as_ref().filter(|_| llm.is_live()) else {
            return Self::Out(offline(app, "Llm", llm));
        };
        match (app.relay.bound(session), llm.status) {
            (None, _) => app.look(|state| app.elsewhere(state, session)).map_or(Self::Away, Self::Elsewhere),
            (Some(binding), Status::Hibernating) => Self::Asleep(binding),
            (Some(binding), _) => Self::Awake(Some(binding)),
        }
    }
}

/// 404 for a name that is neither an Llm nor a pool.
pub fn not_found(name: &str) -> ApiError {
    ApiError::new(axum::http::StatusCode::NOT_FOUND, "NOT_FOUND", format!("Llm not found: {}", name.escape_default()))
}
