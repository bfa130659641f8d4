//! A repeated command gets its first answer again, rebuilt from the history.

use super::events::read;
use crate::{app::App, error::ApiError};
use mcpctl_events::{event::Subject, name::Name, record::Record, replica::fold, state::State};
use mcpctl_projector::store::{EventFilter, EventRef};
use std::{collections::BTreeSet, mem::discriminant, sync::Arc};

/// Events that are looked up at once.
const PAGE: u32 = 10_000;
/// What a row's life begins with, and a session's. A restored row goes on with the life that it had.
const BEGINNINGS: [&str; 2] = ["*.registered.v1", "*.created.v1"];

/// What a command did when it was first given.
pub struct First {
    /// Its subjects, as it left them.
    pub state: State,
    /// Who they are: by now a row that is gone may be asked for by its id, which nobody can tell from a name.
    pub subjects: Vec<Subject>,
    /// The last sequence that it wrote.
    pub last_sequence: u64,
}

/// The command whose first event has sequence `first`, which is in the tables.
pub async fn of(app: &Arc<App>, first: u64, subjects: &[Subject]) -> Result<First, ApiError> {
    let found = find(app, EventFilter { after: first - 1, limit: 1, ..EventFilter::default() }).await?;
    let found = found.first().copied();
    let found = found.ok_or_else(|| ApiError::internal(format!("event {first} is not in the tables")))?;
    let log = app.log.clone();
    let record = blocking(move || read(&*log, &found)).await?;
    let subjects = match subjects {
        [one] => vec![own_subject(&record, one).unwrap_or(one).clone()],
        many => many.to_vec(),
    };
    let mut events = vec![found];
    for subject in &subjects {
        events.extend(life(app, subject, first).await?);
    }
    let mut state = folded(app, &mut events).await?;
    let projects: BTreeSet<Name> = state.agents.iter().filter_map(|agent| agent.definition.project.clone()).collect();
    if !projects.is_empty() {
        for project in projects {
            events.extend(life(app, &Subject::Project(project), first).await?);
        }
        state = folded(app, &mut events).await?;
    }
    Ok(First { state, subjects, last_sequence: record.header.first_sequence + record.header.count - 1 })
}

/// The subject of the record that is of the same kind as `asked`.
fn own_subject<'a>(record: &'a Record, asked: &Subject) -> Option<&'a Subject> {
    let mut subjects = record.events.iter().map(|event| &event.subject);
    subjects.find(|subject| discriminant(*subject) == discriminant(asked))
}

/// The events of a subject, from the beginning of its present life on.
async fn life(app: &App, subject: &Subject, until: u64) -> Result<Vec<EventRef>, ApiError> {
    let of_subject =
        || EventFilter { until: Some(until), subject: Some(subject.to_string()), ..EventFilter::default() };
    let mut begin = 1;
    for glob in BEGINNINGS {
        let newest = EventFilter { type_glob: Some(glob.to_owned()), newest_first: true, limit: 1, ..of_subject() };
        begin = find(app, newest).await?.first().map_or(begin, |event| begin.max(event.sequence));
    }
    let (mut events, mut after) = (Vec::new(), begin - 1);
    loop {
        let page = find(app, EventFilter { after, limit: PAGE, ..of_subject() }).await?;
        let Some(last) = page.last() else { return Ok(events) };
        after = last.sequence;
        events.extend(page);
    }
}

async fn find(app: &App, filter: EventFilter) -> Result<Vec<EventRef>, ApiError> {
    Ok(app.tables.events(&filter).await?.value)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// The fold of the records that hold these events.
async fn folded(app: &App, events: &mut Vec<EventRef>) -> Result<State, ApiError> {
    events.sort_unstable_by_key(|event| event.position);
    events.dedup_by_key(|event| event.position);
    let (log, events) = (app.log.clone(), events.clone());
    let fold = move || {
        let mut state = State::default();
        for event in &events {
            fold(&mut state, &read(&*log, event)?);
        }
        Ok(state)
    };
    blocking(fold).await
}
