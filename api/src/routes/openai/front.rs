//! What every answer at `/v1` has: an id, errors in OpenAI's shape, and leave for the browsers that may call.

use super::error;
use crate::{app::App, error::ApiError, routes::Routes};
use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
    },
    response::Response,
};
use std::{convert::Infallible, time::Duration};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;
/// How long a browser may believe what it was told of an origin.
const BELIEVED: Duration = Duration::from_hours(24);

/// Which web pages may call; none if no origin is given.
pub fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let listed = || origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let origins = if origins.iter().any(|it| it == "*") { AllowOrigin::any() } else { AllowOrigin::list(listed()) };
    let layer = CorsLayer::new().allow_origin(origins).allow_methods([Method::GET, Method::POST]).max_age(BELIEVED);
    // SDKs send headers of their own, such as x-stainless-lang.
    Some(layer.allow_headers(AllowHeaders::mirror_request()).expose_headers([REQUEST_ID, RETRY_AFTER]))
}

/// Answers a request to `/v1`. One that a browser sends ahead of the true one has no token, and needs none.
pub async fn answer(routes: &mut Routes, request: Request) -> Response {
    let Some(cors) = routes.cors.clone() else { return speak(routes, request).await };
    let routes = routes.clone();
    let speaking = service_fn(move |request| {
        let mut routes = routes.clone();
        async move { Ok::<_, Infallible>(speak(&mut routes, request).await) }
    });
    let Ok(response) = cors.layer(speaking).oneshot(request).await;
    response
}

async fn speak(routes: &mut Routes, request: Request) -> Response {
    let id = id(&routes.app, request.headers());
    let mut response = routes.route(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = reshaped(&error, &response);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's own id for its request, or a new one.
fn id(app: &App, headers: &HeaderMap) -> HeaderValue {
    let theirs = headers.get(REQUEST_ID).filter(|id| (1..=LONGEST_ID).contains(&id.len()));
    let fresh = || HeaderValue::from_str(&format!("req_{}", app.clock.id().simple()));
    theirs.cloned().or_else(|| fresh().ok()).unwrap_or(HeaderValue::from_static("req_0"))
}

/// The same error in OpenAI's shape, with what else the answer says.
fn reshaped(error: &ApiError, response: &Response) -> Response {
    let mut shaped = error::response(error);
    let of_body = |name: &HeaderName| [CONTENT_LENGTH, CONTENT_TYPE].contains(name);
    for (name, value) in response.headers().iter().filter(|(name, _)| !of_body(name)) {
        shaped.headers_mut().insert(name, value.clone());
    }
    shaped
}
