//! The routes, one file each.

pub mod agents;
pub mod chat;
pub mod events;
pub mod gc;
pub mod health;
pub mod heartbeat;
pub mod infer;
pub mod llms;
pub mod metrics;
pub mod openapi;
pub mod poll;
pub mod register;
mod repeat;
pub mod result;
mod rows;
mod secrets;
pub mod stream;
pub mod threads;
mod written;

use crate::{app::App, auth, call::AsItCame, error::ApiError};
use axum::{
    Router,
    extract::{OriginalUri, Request},
    http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::sync::Arc;

/// Most of the framework's own words in an error.
const MAX_REASON: usize = 1000;

/// All routes. Everything under `/api` asks for a token first, also what does not exist.
pub fn router(app: &Arc<App>) -> Router {
    let api = Router::new()
        .route("/llms/_provider-register", post(register::register))
        .route("/llms/_provider-stream", get(stream::stream).head(no_method))
        .route("/llms/_provider-tasks", get(poll::poll).head(no_method))
        .route("/llms/_provider-heartbeat", post(heartbeat::heartbeat))
        .route("/llms/_provider-task/{id}/result", post(result::result))
        .route("/llms", get(llms::index).post(llms::create))
        .route("/llms/{name}", get(llms::show).put(llms::replace).delete(llms::delete))
        .route("/llms/{name}/infer", post(infer::infer))
        .route("/llms/{name}/{switch}", post(llms::switch))
        .route("/agents", get(agents::index).post(agents::create))
        .route("/agents/{name}", get(agents::show).put(agents::replace).delete(agents::delete))
        .route("/agents/{name}/chat", post(chat::chat))
        .route("/agents/{name}/threads", get(threads::of_agent))
        .route("/agents/{name}/{switch}", post(agents::switch))
        .route("/threads/{id}", get(threads::show).delete(threads::delete))
        .route("/threads/{id}/messages", get(threads::messages))
        .route("/events", get(events::index))
        .route("/gc", post(gc::gc))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(explain))
        .layer(middleware::from_fn_with_state(app.clone(), auth::require));
    let unknown = Router::new().fallback(no_route).layer(middleware::from_fn_with_state(app.clone(), auth::require));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::document))
        .method_not_allowed_fallback(no_method)
        .fallback_service(unknown.with_state(()))
        .with_state(app.clone())
}

async fn no_route(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::not_found(format!("no such route: {method} {}", uri.path()))
}

async fn no_method(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let message = format!("{method} is not allowed on {}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}

/// Refuses NUL in a query, as everywhere, and gives the framework's own plain refusals (a bad query, a bad path) the shape
/// of every other error.
async fn explain(request: Request, next: Next) -> Response {
    if request.uri().query().is_some_and(|query| query.contains("%00")) {
        return ApiError::invalid("", "the query holds the character \\u0000").into_response();
    }
    let response = next.run(request).await;
    let plain = response.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static("text/plain; charset=utf-8"));
    let passed_on = response.extensions().get::<AsItCame>().is_some();
    if response.status() != StatusCode::BAD_REQUEST || !plain || passed_on {
        return response;
    }
    // It quotes what was sent, which may be long.
    let reason = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
    let reason: String = String::from_utf8_lossy(&reason).chars().take(MAX_REASON).collect();
    ApiError::invalid("", reason).into_response()
}

/// The verb at the end of a path as the state of the pause.
fn disabled(switch: &str) -> Result<bool, ApiError> {
    match switch {
        "disable" => Ok(true),
        "enable" => Ok(false),
        _ => Err(ApiError::not_found(format!("no such action: {}", switch.escape_default()))),
    }
}
