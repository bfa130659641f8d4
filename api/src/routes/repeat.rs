//! A repeated command gets its first answer again, rebuilt from the history.

use super::events::read;
use crate::{app::App, error::ApiError};
use mcpctl_events::{
    event::Subject,
    log::{EventLog, Position},
    record::Record,
    replica::fold,
    state::State,
};
use mcpctl_projector::store::{EventFilter, EventRef};
use std::sync::Arc;

/// Most events of one subject that are folded for a repeated answer.
const MOST: u32 = 10_000;

/// The registry as far as these subjects go, right after the record whose first event has sequence `first`; and that
/// record's last sequence.
pub async fn then(app: &Arc<App>, first: u64, subjects: &[Subject]) -> Result<(State, u64), ApiError> {
    let found = find(app, EventFilter { after: first - 1, limit: 1, ..EventFilter::default() }).await?;
    let position = found.first().map(|event| event.position);
    let position = position.ok_or_else(|| ApiError::internal(format!("event {first} is not in the tables")))?;
    let mut positions = vec![position];
    for subject in subjects {
        let filter = EventFilter {
            until: Some(first),
            subject: Some(subject.to_string()),
            limit: MOST,
            newest_first: true,
            ..EventFilter::default()
        };
        positions.extend(find(app, filter).await?.iter().map(|event| event.position));
    }
    positions.sort_unstable();
    positions.dedup();
    let log = app.log.clone();
    let folded = tokio::task::spawn_blocking(move || folded(&*log, &positions)).await;
    folded.map_err(ApiError::internal)?
}

async fn find(app: &App, filter: EventFilter) -> Result<Vec<EventRef>, ApiError> {
    Ok(app.tables.events(&filter).await.map_err(ApiError::internal)?.value)
}

fn folded(log: &dyn EventLog, positions: &[Position]) -> Result<(State, u64), ApiError> {
    let (mut state, mut last) = (State::default(), 0);
    for position in positions {
        let record: Record = read(log, *position)?;
        last = record.header.first_sequence + record.header.count - 1;
        fold(&mut state, &record);
    }
    Ok((state, last))
}
