//! The routes, one file each.

pub mod agents;
pub mod audit;
pub mod chat;
pub mod documents;
mod dry_run;
pub mod events;
pub mod gc;
pub mod grants;
pub mod health;
pub mod heartbeat;
pub mod heartbeats;
pub mod history;
pub mod infer;
pub(crate) mod internal;
pub mod llms;
pub mod members;
pub mod metrics;
pub mod openai;
pub mod openapi;
mod passage;
mod past;
pub mod poll;
pub mod register;
mod repeat;
pub mod result;
mod rows;
mod secrets;
pub mod sessions;
pub mod status;
pub mod stream;
pub mod tasks;
pub mod threads;
pub mod tokens;
pub mod tools;
pub mod whoami;
pub mod why;
pub(crate) mod written;

use crate::{
    access,
    app::App,
    auth::{self, Caller},
    call::AsItCame,
    client_address::{self, Peer},
    cluster::proxy::PassedOn,
    error::ApiError,
    limits::Limit,
    server::Answer,
};
use axum::{
    Router,
    extract::Request,
    http::{
        HeaderValue, Method, StatusCode, Uri,
        header::{CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::sync::Arc;
use tower_http::cors::CorsLayer;

/// Most of the framework's own words in an error.
const MAX_REASON: usize = 1000;

/// What answers requests: it looks who calls, and passes them on to their route.
///
/// One function around one flat router. Every publisher asks twice a minute, far apart from the others, and each layer
/// around a route is code and memory that no cache holds by then.
#[derive(Clone)]
pub struct Routes {
    app: Arc<App>,
    router: Router,
    cors: Option<CorsLayer>,
}

/// What may be asked without a token.
const OPEN: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];

impl Routes {
    /// All routes of the server.
    pub fn new(app: Arc<App>) -> Self {
        let (router, cors) = (router().with_state(app.clone()), openai::front::cors(&app.config.args.cors_origin));
        Self { app, router, cors }
    }
}

impl Answer for Routes {
    async fn answer(&mut self, request: Request) -> Response {
        if matches!(request.uri().path().strip_prefix("/v1"), Some(rest) if rest.is_empty() || rest.starts_with('/')) {
            return openai::front::answer(self, request).await;
        }
        self.route(request).await
    }
}

impl Routes {
    /// Answers a request, and counts the limit that it met.
    async fn route(&mut self, request: Request) -> Response {
        let response = self.pass_on(request).await;
        if let Some(limit) = response.extensions().get::<ApiError>().and_then(|error| error.limit) {
            self.app.limits.refusals.count(limit);
        }
        response
    }

    /// Looks who calls, and passes the request on to its route.
    async fn pass_on(&mut self, mut request: Request) -> Response {
        if let Err(error) = small_enough(&request, self.app.config.args.max_head) {
            return error.into_response();
        }
        if request.uri().path().starts_with(internal::PREFIX) {
            if let Err(error) = internal::check(&self.app, request.headers()) {
                return error.into_response();
            }
        } else if !OPEN.contains(&request.uri().path()) {
            if let Err(error) = auth::check_page(&self.app, request.headers(), request.uri().path()) {
                return error.into_response();
            }
            match auth::caller(&self.app, request.headers()) {
                Ok(caller) => {
                    if let Err(error) = self.admit(&caller, &request) {
                        return error.into_response();
                    }
                    request.extensions_mut().insert(caller);
                    if internal::check(&self.app, request.headers()).is_ok() {
                        request.extensions_mut().insert(PassedOn);
                    }
                }
                Err(error) => return self.turn_away(error, &request),
            }
        }
        // Refused in a query, as everywhere.
        if request.uri().query().is_some_and(|query| query.contains("%00")) {
            return ApiError::invalid("", "the query holds the character \\u0000").into_response();
        }
        let response = self.router.answer(request).await;
        if is_plain_refusal(&response) { explain(response).await } else { response }
    }

    /// Whether somebody known may ask for this, and now.
    fn admit(&self, caller: &Caller, request: &Request) -> Result<(), ApiError> {
        caller.token.as_ref().map_or(Ok(()), |token| self.app.limits.rates.ask(token))?;
        access::check(&self.app, caller, request.method(), request.uri().path())
    }

    /// 401, or 429 for an address where that is said again and again.
    fn turn_away(&self, error: ApiError, request: &Request) -> Response {
        let Some(Peer(peer)) = request.extensions().get() else { return unauthorized(error) };
        let client = client_address::of(*peer, request.headers(), &self.app.config.args.trusted_proxy);
        tracing::debug!(%client, path = request.uri().path(), "a request without a valid token");
        match self.app.limits.rates.ask_unauthorized(client) {
            Ok(()) => unauthorized(error),
            Err(error) => error.into_response(),
        }
    }
}

fn unauthorized(error: ApiError) -> Response {
    ([(WWW_AUTHENTICATE, "Bearer")], error).into_response()
}

/// Refuses a head that is larger than `most` bytes; where it is twice that, HTTP itself has refused it already.
fn small_enough(request: &Request, most: usize) -> Result<(), ApiError> {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let found = line + headers.sum::<usize>();
    if found <= most {
        return Ok(());
    }
    let message = format!("the head of the request is {found} bytes, more than {most}, the limit of --max-head");
    Err(Limit::Head.refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE", message))
}

fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/llms/_provider-register", post(register::register))
        .route("/api/v1/llms/_provider-register/dry-run", post(register::dry_run))
        .route("/api/v1/llms/_provider-stream", get(stream::stream).head(no_method))
        .route("/api/v1/llms/_provider-tasks", get(poll::poll).head(no_method))
        .route("/api/v1/llms/_provider-heartbeat", post(heartbeat::heartbeat))
        .route("/api/v1/llms/_provider-passage", get(passage::down).head(no_method).post(passage::up))
        .route("/api/v1/llms/_provider-task/{id}/result", post(result::result))
        .route("/api/v1/llms", get(llms::index).post(llms::create))
        .route("/api/v1/llms/{name}", get(llms::show).put(llms::replace).delete(llms::delete))
        .route("/api/v1/llms/{name}/infer", post(infer::infer))
        .route("/api/v1/llms/{name}/history", get(history::of_llm))
        .route("/api/v1/llms/{name}/why", get(why::of_llm))
        .route("/api/v1/llms/{name}/members", get(members::members))
        .route("/api/v1/llms/{name}/{switch}", post(llms::switch))
        .route("/api/v1/inference-tasks", get(tasks::index).post(tasks::create))
        .route("/api/v1/inference-tasks/{id}", get(tasks::show).delete(tasks::cancel))
        .route("/api/v1/inference-tasks/{id}/stream", get(tasks::follow))
        .route("/api/v1/sessions", get(sessions::index))
        .route("/api/v1/sessions/{id}", get(sessions::show))
        .route("/api/v1/sessions/{id}/history", get(history::of_session))
        .route("/api/v1/tokens", get(tokens::index).post(tokens::create))
        .route("/api/v1/tokens/{name}", axum::routing::delete(tokens::revoke))
        .route("/api/v1/grants", get(grants::index).post(grants::create))
        .route("/api/v1/grants/{user}/{verb}/{kind}/{names}", axum::routing::delete(grants::delete))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/auth/whoami", get(whoami::who_am_i))
        .route("/api/v1/auth/can-i", get(whoami::can_i))
        .route("/api/v1/agents", get(agents::index).post(agents::create))
        .route("/api/v1/agents/{name}", get(agents::show).put(agents::replace).delete(agents::delete))
        .route("/api/v1/agents/{name}/chat", post(chat::chat))
        .route("/api/v1/agents/{name}/history", get(history::of_agent))
        .route("/api/v1/agents/{name}/why", get(why::of_agent))
        .route("/api/v1/agents/{name}/tools", get(tools::index))
        .route("/api/v1/agents/{name}/threads", get(threads::of_agent))
        .route("/api/v1/agents/{name}/{switch}", post(agents::switch))
        .route("/api/v1/projects", get(documents::project::index).post(documents::project::create))
        .route(
            "/api/v1/projects/{name}",
            get(documents::project::show).put(documents::project::replace).delete(documents::project::delete),
        )
        .route("/api/v1/personalities", get(documents::personality::index).post(documents::personality::create))
        .route(
            "/api/v1/personalities/{name}",
            get(documents::personality::show)
                .put(documents::personality::replace)
                .delete(documents::personality::delete),
        )
        .route("/api/v1/prompts", get(documents::prompt::index).post(documents::prompt::create))
        .route(
            "/api/v1/prompts/{name}",
            get(documents::prompt::show).put(documents::prompt::replace).delete(documents::prompt::delete),
        )
        .route("/api/v1/threads/{id}", get(threads::show).delete(threads::delete))
        .route("/api/v1/threads/{id}/messages", get(threads::messages))
        .route("/api/v1/dry-run", post(dry_run::dry_run))
        .route("/api/v1/events", get(events::index))
        .route("/api/v1/heartbeats", get(heartbeats::index))
        .route("/api/v1/audit/head", get(audit::head))
        .route("/api/v1/audit/records", get(audit::records))
        .route("/api/v1/audit/verify", post(audit::verify))
        .route("/api/v1/audit/rebuild", post(audit::rebuild))
        .route("/api/v1/gc", post(gc::gc))
        .route("/v1/models", get(openai::models::index))
        .route("/v1/models/{*model}", get(openai::models::show))
        .route("/v1/chat/completions", post(openai::chat_completions))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/responses", post(openai::responses))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::document))
        .merge(internal::router())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

async fn no_route(method: Method, uri: Uri) -> ApiError {
    ApiError::not_found(format!("no such route: {method} {}", uri.path()))
}

async fn no_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("{method} is not allowed on {}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}

/// Whether the framework itself refused, in plain text: a bad query, a bad path.
fn is_plain_refusal(response: &Response) -> bool {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.status() == StatusCode::BAD_REQUEST
        && response.headers().get(CONTENT_TYPE) == Some(&plain)
        && response.extensions().get::<AsItCame>().is_none()
}

/// Gives such a refusal the shape of every other error.
async fn explain(response: Response) -> Response {
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
