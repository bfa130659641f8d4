//! `GET /api/v1/llms/:name/members`: the pool of an Llm.

use super::{llms::not_found, written::set_sequence};
use crate::{app::App, error::ApiError, present};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use mcpctl_events::wire::{
    SEQUENCE_HEADER,
    error::ErrorBody,
    rows::{Llm, Pool},
};
use mcpctl_projector::store::{LlmFilter, RowFilter};
use std::sync::Arc;

/// Lists the Llms that share calls with this one; without a pool it is alone, and the pool is called as it is.
#[utoipa::path(get, path = "/api/v1/llms/{name}/members", operation_id = "listMembers", tag = "registry", params(("name" = String, Path, description = "name or id")),
    responses((status = 200, body = Pool), (status = "default", body = ErrorBody)))]
pub async fn members(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let found = app.tables.llm(&name).await.map_err(ApiError::internal)?;
    let row = found.value.ok_or_else(|| not_found(&name))?;
    let (pool_name, explicit, members, sequence) = match row.row.definition.pool_name.clone() {
        None => (row.row.name.to_string(), false, vec![present::stored_llm(&app, &row)], found.sequence),
        Some(pool) => {
            let filter = LlmFilter { rows: RowFilter::default(), pool: Some(pool.to_string()) };
            let page = app.tables.llms(&filter).await.map_err(ApiError::internal)?;
            let members = page.items.iter().map(|member| present::stored_llm(&app, member)).collect();
            (pool.to_string(), true, members, page.sequence)
        }
    };
    let active_count = members.iter().filter(|member: &&Llm| member.status == "active").count() as u64;
    let pool = Pool { pool_name, explicit, size: members.len() as u64, active_count, members };
    let mut response = Json(pool).into_response();
    set_sequence(&mut response, SEQUENCE_HEADER, sequence);
    Ok(response)
}
