//! `GET /api/v1/llms/:name/members`: the pool of an Llm.

use super::{llms::not_found, past::PastQuery, written::set_sequence};
use crate::{app::App, error::ApiError, past, present};
use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use mcpctl_events::{
    name::Name,
    wire::{
        SEQUENCE_HEADER,
        error::ErrorBody,
        rows::{Llm, Pool},
    },
};
use mcpctl_projector::store::{LlmFilter, RowFilter};
use std::sync::Arc;

/// Lists the Llms that share calls with this one; without a pool it is alone, and the pool is called as it is.
#[utoipa::path(get, path = "/api/v1/llms/{name}/members", operation_id = "listMembers", tag = "registry", params(("name" = String, Path, description = "name or id"), PastQuery),
    responses((status = 200, body = Pool), (status = "default", body = ErrorBody)))]
pub async fn members(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<PastQuery>,
) -> Result<Response, ApiError> {
    if let Some(as_of) = &query.as_of {
        let past = past::at(&app, as_of).await?;
        let row = past::find(&past.state.llms, &name).ok_or_else(|| not_found(&name))?;
        let members = match &row.definition.pool_name {
            None => vec![present::past_llm(&past.state, row)],
            Some(pool) => {
                let members = past.state.pool(pool).into_iter().flatten();
                members.map(|member| present::past_llm(&past.state, member)).collect()
            }
        };
        let pool = row.definition.pool_name.as_ref();
        return Ok(answer(pool.unwrap_or(&row.name), pool.is_some(), members, past.admission.last_sequence));
    }
    let found = app.tables.llm(&name).await?;
    let row = found.value.ok_or_else(|| not_found(&name))?;
    match &row.row.definition.pool_name {
        None => Ok(answer(&row.row.name, false, vec![present::stored_llm(&app, &row)], found.sequence)),
        Some(pool) => {
            let filter = LlmFilter { rows: RowFilter::default(), pool: Some(pool.to_string()) };
            let page = app.tables.llms(&filter).await?;
            let members = page.items.iter().map(|member| present::stored_llm(&app, member)).collect();
            Ok(answer(pool, true, members, page.sequence))
        }
    }
}

fn answer(pool: &Name, explicit: bool, members: Vec<Llm>, sequence: u64) -> Response {
    let active_count = members.iter().filter(|member| member.status == "active").count() as u64;
    let pool = Pool { pool_name: pool.to_string(), explicit, size: members.len() as u64, active_count, members };
    let mut response = Json(pool).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, sequence);
    response
}
