//! What lists and edits of Llms and agents have in common.

use super::written::set_sequence;
use crate::{app::App, error::ApiError, routes::written::tables_reach};
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    event::row::{Kind, Status},
    name::Name,
    wire::SEQUENCE_HEADER,
};
use mcpctl_projector::store::RowFilter;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const TABLES_WAIT: Duration = Duration::from_secs(5);

/// Query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListQuery {
    kind: Option<String>,
    status: Option<String>,
    label: Option<String>,
    q: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
    callable: Option<bool>,
    min_sequence: Option<u64>,
    /// Agents: pinned to this Llm or pool.
    pub llm: Option<String>,
    /// Agents: in this project.
    pub project: Option<String>,
    /// Llms: members of this pool.
    pub pool: Option<String>,
}

impl ListQuery {
    /// The part of the filter that all rows share.
    pub fn filter(&self) -> Result<RowFilter, ApiError> {
        let kind = match self.kind.as_deref() {
            None => None,
            Some("public") => Some(Kind::Public),
            Some("virtual") => Some(Kind::Virtual),
            Some(_) => return Err(ApiError::invalid("kind", "is `public` or `virtual`")),
        };
        let status = match self.status.as_deref() {
            None => None,
            Some("active") => Some(Status::Active),
            Some("inactive") => Some(Status::Inactive),
            Some("hibernating") => Some(Status::Hibernating),
            Some(_) => return Err(ApiError::invalid("status", "is `active`, `inactive` or `hibernating`")),
        };
        let limit = self.limit.as_deref().map(|text| text.parse::<u32>().ok().filter(|limit| *limit > 0));
        if limit == Some(None) {
            return Err(ApiError::invalid("limit", "is a whole number from 1"));
        }
        Ok(RowFilter {
            kind,
            status,
            labels: self.labels()?,
            q: self.q.clone(),
            after: self.cursor.clone(),
            limit: limit.flatten(),
        })
    }

    fn labels(&self) -> Result<Vec<(String, String)>, ApiError> {
        let Some(labels) = &self.label else { return Ok(Vec::new()) };
        let pair = |label: &str| {
            let (key, value) = label.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        };
        let pairs: Option<Vec<_>> = labels.split(',').map(pair).collect();
        pairs.ok_or_else(|| ApiError::invalid("label", "is key=value, several separated by commas"))
    }

    /// Only what can be called, if asked so.
    pub fn wants(&self, callable: bool) -> bool {
        self.callable.is_none_or(|wanted| wanted == callable)
    }

    /// Waits for the sequence that the caller has seen elsewhere.
    pub async fn settle(&self, app: &App) -> Result<(), ApiError> {
        let Some(sequence) = self.min_sequence else { return Ok(()) };
        if tables_reach(app.projected.clone(), sequence, TABLES_WAIT).await {
            return Ok(());
        }
        let message = format!("the read tables did not reach sequence {sequence} within 5 s");
        Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "TABLES_BEHIND", message))
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

/// The name in a path; what can't be a name can't be found.
pub fn path_name(title: &str, text: &str) -> Result<Name, ApiError> {
    Name::parse(text).map_err(|_| ApiError::not_found(format!("{title} not found: {}", text.escape_default())))
}

/// The version of `If-Match`.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    let version = text.parse().map_err(|_| ApiError::invalid("If-Match", "is the `version` of the row"))?;
    Ok(Some(version))
}
