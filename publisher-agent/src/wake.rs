//! Bringing a model server up.

mod started;

use crate::{
    availability::{State, is_up},
    config::{Provider, Recipe, Wake},
    http::{Payload, read_all, within},
    json::{answer_line, error_line},
    model::{Models, label},
    secret::Secret,
};
use bytes::Bytes;
use hyper::{
    Method, Request, Uri,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::info;

pub use started::Started;

const LOOK_EVERY: Duration = Duration::from_millis(250);
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Wakes a provider and says how it went, as a result line. Where somebody else follows the recipe already, `follows`
/// is false, and it is only waited for.
pub async fn wake(models: &Models, name: &str, max_wait_seconds: Option<u32>, follows: bool) -> Bytes {
    let Some(provider) = models.provider(name) else {
        return error_line(&format!("this publisher has no model '{name}'"));
    };
    let Some(recipe) = &provider.wake else {
        let up = is_up(models, provider).await;
        return if up { awake(Instant::now()) } else { error_line(&format!("'{name}' has no wake recipe")) };
    };
    let began = Instant::now();
    let seconds = max_wait_seconds.unwrap_or(recipe.max_wait_seconds);
    let woken = within(Duration::from_secs(seconds.into()), bring_up(models, provider, recipe, follows)).await;
    match woken {
        Some(Ok(())) => {
            models.availability.set(name, State::Up);
            info!("model server {} is awake after {} ms", label(provider), began.elapsed().as_millis());
            awake(began)
        }
        Some(Err(why)) => error_line(&format!("wake of '{name}': {why}")),
        None => error_line(&format!("wake of '{name}': not up within {seconds} s")),
    }
}

fn awake(began: Instant) -> Bytes {
    let body = format!("{{\"ok\":true,\"ms\":{}}}", began.elapsed().as_millis());
    answer_line(200, body.as_bytes(), "application/json")
}

/// A recipe that is still running when the server is up, such as the server itself, is left running.
async fn bring_up(models: &Models, provider: &Provider, wake: &Wake, follows: bool) -> Result<(), String> {
    if is_up(models, provider).await {
        return Ok(());
    }
    let up = async {
        while !is_up(models, provider).await {
            sleep(LOOK_EVERY).await;
        }
    };
    let mut up = std::pin::pin!(up);
    tokio::select! {
        biased;
        () = &mut up => return Ok(()),
        done = follow(models, &provider.name, &wake.recipe), if follows => done?,
    }
    up.await;
    Ok(())
}

/// Follows a recipe to its end; `name` is whose it is.
pub async fn follow(models: &Models, name: &str, recipe: &Recipe) -> Result<(), String> {
    match recipe {
        Recipe::Command { command, args } => models.started.run(name, command, args).await,
        Recipe::Http { url, method, headers, body } => {
            let request = request(url, method, headers, body.as_ref())?;
            let origin = origin(request.uri());
            let answer = models.client.send(request).await.map_err(|failure| format!("{origin}: {failure}"))?;
            let status = answer.status();
            let _ = read_all(answer.into_body(), LARGEST_ANSWER).await;
            if status.is_success() { Ok(()) } else { Err(format!("{origin} answered {}", status.as_u16())) }
        }
    }
}

/// Scheme, host and port; what else a URL holds may be a secret, and errors reach callers and the log.
fn origin(url: &Uri) -> String {
    let (scheme, host) = (url.scheme_str().unwrap_or("http"), url.host().unwrap_or_default());
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}")
}

fn request(
    url: &Secret,
    method: &str,
    headers: &BTreeMap<String, Secret>,
    body: Option<&Secret>,
) -> Result<Request<Payload>, String> {
    let text = body.map(Secret::expose).unwrap_or_default();
    let mut request = Request::new(Payload::Whole(Bytes::copy_from_slice(text.as_bytes())));
    *request.uri_mut() = url.expose().parse().map_err(|_| "the recipe's `url` is none".to_owned())?;
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?;
    if body.is_some() {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header"))?;
        let mut value =
            HeaderValue::from_str(value.expose()).map_err(|_| format!("`{name}` has a value that is none"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_where_it_points_is_shown() {
        for (url, shown) in [
            ("https://me:s3cret@h:8443/s3cret?key=s3cret", "https://h:8443"),
            ("http://[::1]:1/s3cret", "http://[::1]:1"),
            ("http://h", "http://h"),
        ] {
            assert_eq!(origin(&url.parse().expect("a URL")), shown);
        }
    }
}
