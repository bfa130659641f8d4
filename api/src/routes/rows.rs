//! What lists and edits of Llms and agents have in common.

use super::written::set_sequence;
use crate::{app::App, error::ApiError, json::Problems, routes::written::tables_reach};
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    event::row::{Kind, Status},
    name::Name,
    state::Stored,
    wire::SEQUENCE_HEADER,
    wire::selector,
};
use mcpctl_projector::store::{Page, RowFilter};
use serde::{Deserialize, Serialize};
use std::{ops::ControlFlow, time::Duration};
use uuid::Uuid;

/// How long a list waits for the sequence that its caller has seen elsewhere.
const TABLES_WAIT: Duration = Duration::from_secs(5);
const MAX_PATTERN: usize = 1000;
const MAX_LABELS: usize = 50;

/// Query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListQuery {
    /// `public` or `virtual`.
    kind: Option<String>,
    /// `active`, `inactive` or `hibernating`.
    status: Option<String>,
    /// `key=value`, several separated by commas: rows that have them all. A comma or backslash of a label has a backslash
    /// before it.
    label: Option<String>,
    /// Text in name, description or model.
    q: Option<String>,
    /// Rows at most; the header `Link` says how to go on.
    limit: Option<String>,
    /// Where an earlier page ended.
    cursor: Option<String>,
    /// Only what can be called now, or only what can't.
    callable: Option<String>,
    /// Waits until the list shows at least this sequence, 5 s at most.
    min_sequence: Option<String>,
    /// As it was then: a sequence, or a time (inclusive).
    pub as_of: Option<String>,
    /// Agents: pinned to this Llm or pool.
    pub llm: Option<String>,
    /// Agents: in this project.
    pub project: Option<String>,
    /// Llms: members of this pool. Agents: pinned to it.
    pub pool: Option<String>,
}

impl ListQuery {
    /// The part of the filter that all rows share; `foreign` are filters that this kind of row knows nothing of.
    pub fn filter(&self, foreign: &[(&str, Option<&str>)]) -> Result<RowFilter, ApiError> {
        let problems = Problems::default();
        for (name, _) in foreign.iter().filter(|(_, value)| value.is_some()) {
            problems.add(*name, "is no filter of this list");
        }
        let filter = RowFilter {
            kind: read(&problems, "kind", self.kind.as_deref(), "is `public` or `virtual`", kind),
            status: read(
                &problems,
                "status",
                self.status.as_deref(),
                "is `active`, `inactive` or `hibernating`",
                status,
            ),
            labels: read(
                &problems,
                "label",
                self.label.as_deref(),
                "is key=value, at most 50 separated by commas; a comma or backslash of a label has a backslash before it",
                labels,
            )
            .unwrap_or_default(),
            q: read(&problems, "q", self.q.as_deref(), "is at most 1000 characters long", short),
            after: self.cursor.clone(),
            limit: read(&problems, "limit", self.limit.as_deref(), "is a whole number from 1", limit),
        };
        read(&problems, "callable", self.callable.as_deref(), "is `true` or `false`", flag);
        MinSequence::read(&problems, self.min_sequence.as_deref());
        problems.check(Some(filter))
    }

    /// Whether that is asked at all.
    pub fn asks_callable(&self) -> bool {
        self.callable.is_some()
    }

    /// Only what can be called, if asked so.
    pub fn wants(&self, callable: bool) -> bool {
        self.callable.as_deref().and_then(flag).is_none_or(|wanted| wanted == callable)
    }

    /// Waits for the sequence that the caller has seen elsewhere.
    pub async fn settle(&self, app: &App) -> Result<(), ApiError> {
        MinSequence(self.min_sequence.as_deref().and_then(sequence)).settle(app).await
    }
}

/// The sequence that a list has to show at least.
pub struct MinSequence(Option<u64>);

impl From<u64> for MinSequence {
    fn from(sequence: u64) -> Self {
        Self(Some(sequence))
    }
}

impl MinSequence {
    /// Reads the parameter.
    pub fn read(problems: &Problems, text: Option<&str>) -> Self {
        Self(read(problems, "minSequence", text, "is a sequence", sequence))
    }

    /// Waits for it.
    pub async fn settle(&self, app: &App) -> Result<(), ApiError> {
        let Some(sequence) = self.0 else { return Ok(()) };
        if tables_reach(app.projected.clone(), sequence, TABLES_WAIT).await {
            return Ok(());
        }
        let message = format!("the read tables did not reach sequence {sequence} within 5 s");
        Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "TABLES_BEHIND", message))
    }
}

/// Reads one parameter of a query.
pub fn read<T>(
    problems: &Problems,
    name: &str,
    text: Option<&str>,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let value = read(text?);
    if value.is_none() {
        problems.add(name, expected);
    }
    value
}

fn kind(text: &str) -> Option<Kind> {
    [Kind::Public, Kind::Virtual].into_iter().find(|kind| kind.as_str() == text)
}

fn status(text: &str) -> Option<Status> {
    [Status::Active, Status::Inactive, Status::Hibernating].into_iter().find(|status| status.as_str() == text)
}

fn flag(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// A sequence, which databases hold with a sign.
pub fn sequence(text: &str) -> Option<u64> {
    text.parse().ok().filter(|sequence| i64::try_from(*sequence).is_ok())
}

/// How much to list.
pub fn limit(text: &str) -> Option<u32> {
    text.parse().ok().filter(|limit| *limit > 0 && i32::try_from(*limit).is_ok())
}

/// A text to look for; databases refuse patterns that are much longer.
pub fn short(text: &str) -> Option<String> {
    (text.chars().count() <= MAX_PATTERN).then(|| text.to_owned())
}

fn labels(text: &str) -> Option<Vec<(String, String)>> {
    selector::parse(text).filter(|pairs| pairs.len() <= MAX_LABELS)
}

/// Rows of a list, gathered until there are as many as were asked for: whether something can be called is in no table, so
/// rows are sorted out after they were read.
pub struct Gathered<T> {
    limit: usize,
    items: Vec<T>,
}

impl<T> Gathered<T> {
    /// Begins to gather what the filter asks for.
    pub fn new(filter: &RowFilter) -> Self {
        Self { limit: filter.limit.map_or(usize::MAX, |limit| limit as usize), items: Vec::new() }
    }

    /// Takes what is picked of a page. Breaks with the list when that is enough; goes on with where the next page begins.
    pub fn take<S>(
        &mut self,
        page: &Page<S>,
        pick: impl Fn(&S) -> Option<T>,
        name: impl Fn(&T) -> &str,
    ) -> ControlFlow<Page<T>, Option<String>> {
        self.items.extend(page.items.iter().filter_map(pick));
        if page.next.is_some() && self.items.len() < self.limit {
            return ControlFlow::Continue(page.next.clone());
        }
        let more = page.next.is_some() || self.items.len() > self.limit;
        let mut items = std::mem::take(&mut self.items);
        items.truncate(self.limit);
        let next = items.last().filter(|_| more).map(|last| name(last).to_owned());
        ControlFlow::Break(Page { items, next, sequence: page.sequence })
    }
}

/// A list with the sequence that the tables are at, and the way to its next page.
pub fn list<T: Serialize>(items: &[T], next: Option<&str>, sequence: u64, uri: &Uri) -> Response {
    let mut response = Json(items).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, sequence);
    if let Some(next) = next
        && let Ok(link) = HeaderValue::from_str(&format!("<{}>; rel=\"next\"", page_after(uri, next)))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// The same list from another cursor on, which is the name of a row and needs no escaping in a URL.
fn page_after(uri: &Uri, cursor: &str) -> String {
    let kept =
        uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("{}?{}", uri.path(), query.join("&"))
}

/// The name of the row that a path means by name or by id; a name wins. What can be neither can't be found.
pub fn path_name<D: Stored>(app: &App, text: &str) -> Result<Name, ApiError> {
    let name = Name::parse(text).ok();
    let of_id = || {
        let id = Uuid::parse_str(text).ok()?;
        app.look(|state| D::table(state).by_id(id).map(|row| row.name.clone()))
    };
    let is_there = |name: &Name| app.look(|state| D::table(state).get(name).is_some());
    let found = name.clone().filter(is_there).or_else(of_id).or(name);
    found.ok_or_else(|| ApiError::not_found(format!("{} not found: {}", D::TITLE, text.escape_default())))
}

/// The version of `If-Match`.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    let version = text.parse().map_err(|_| ApiError::invalid("If-Match", "is the `version` of the row"))?;
    Ok(Some(version))
}
