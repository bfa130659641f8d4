//! Lists and single reads as of some point of the history.

use super::rows::list;
use crate::routes::openapi::values::Point;
use crate::{app::App, error::ApiError, past};
use axum::{http::Uri, response::Response};
use mcpctl_events::{
    definition::Labels,
    state::{Document, Row, State as Registry, Stored, StoredDocument},
};
use mcpctl_projector::store::{DocumentFilter, RowFilter};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::IntoParams;
use uuid::Uuid;

/// Query of a single read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PastQuery {
    /// As it was then: a sequence, or a time (inclusive).
    #[param(value_type = Option<Point>)]
    pub as_of: Option<String>,
}

/// A list of rows as of then. `seen` is what filters look at; `shown` leaves out what is not wanted.
pub(super) async fn rows<D: Stored, T: Serialize>(
    app: &Arc<App>,
    uri: &Uri,
    as_of: &str,
    filter: &RowFilter,
    seen: impl Fn(&D) -> (&Labels, Option<&str>),
    shown: impl Fn(&Registry, &Row<D>) -> Option<T>,
) -> Result<Response, ApiError> {
    let past = past::at(app, as_of).await?;
    let rows = D::table(&past.state).iter().filter(|row| {
        let (labels, description) = seen(&row.definition);
        filter.kind.is_none_or(|kind| kind == row.kind)
            && filter.status.is_none_or(|status| status == row.status)
            && filter.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && mentions(filter.q.as_deref(), &row.name, description)
            && is_after(filter.after.as_deref(), &row.name)
    });
    let named = rows.filter_map(|row| Some((row.name.to_string(), shown(&past.state, row)?)));
    Ok(page(named, filter.limit, past.admission.last_sequence, uri))
}

/// A list of documents as of then.
pub(super) async fn documents<D: StoredDocument, T: Serialize>(
    app: &Arc<App>,
    uri: &Uri,
    as_of: &str,
    filter: &DocumentFilter,
    text: impl Fn(&D) -> Option<&str>,
    is_of: impl Fn(&D, &DocumentFilter) -> bool,
    shown: impl Fn(&Document<D>) -> T,
) -> Result<Response, ApiError> {
    let past = past::at(app, as_of).await?;
    let found = D::documents(&past.state).iter().filter(|document| {
        is_of(&document.definition, filter)
            && mentions(filter.q.as_deref(), &document.name, text(&document.definition))
            && is_after(filter.after.as_deref(), &document.name)
    });
    let named = found.map(|document| (document.name.to_string(), shown(document)));
    Ok(page(named, filter.limit, past.admission.last_sequence, uri))
}

/// A row as of then, by name or else by id.
pub(super) async fn row<D: Stored, T>(
    app: &Arc<App>,
    as_of: &str,
    name_or_id: &str,
    shown: impl Fn(&Registry, &Row<D>) -> T,
) -> Result<Option<T>, ApiError> {
    let past = past::at(app, as_of).await?;
    Ok(past::find(D::table(&past.state), name_or_id).map(|row| shown(&past.state, row)))
}

/// A document as of then, by name or else by id.
pub(super) async fn document<D: StoredDocument>(
    app: &Arc<App>,
    as_of: &str,
    name_or_id: &str,
) -> Result<Option<Document<D>>, ApiError> {
    let past = past::at(app, as_of).await?;
    let documents = D::documents(&past.state);
    let by_id = || documents.by_id(Uuid::parse_str(name_or_id).ok()?);
    Ok(documents.get(name_or_id).or_else(by_id).map(|document| Document::clone(document)))
}

fn mentions(q: Option<&str>, name: &str, text: Option<&str>) -> bool {
    let Some(q) = q.map(str::to_lowercase) else { return true };
    name.contains(&q) || text.is_some_and(|text| text.to_lowercase().contains(&q))
}

fn is_after(cursor: Option<&str>, name: &str) -> bool {
    cursor.is_none_or(|cursor| name > cursor)
}

/// As many as were asked for, and the way to the rest.
fn page<T: Serialize>(
    mut named: impl Iterator<Item = (String, T)>,
    limit: Option<u32>,
    sequence: u64,
    uri: &Uri,
) -> Response {
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    let (names, items): (Vec<_>, Vec<_>) = named.by_ref().take(limit).unzip();
    let more = named.next().is_some();
    list(&items, names.last().filter(|_| more).map(String::as_str), sequence, uri)
}
