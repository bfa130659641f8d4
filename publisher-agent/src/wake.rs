//! Bringing a model server up.

use crate::{
    availability::is_up,
    config::{Provider, Recipe, Wake},
    http::{Payload, read_all, within},
    json::{answer_line, error_line},
    model::{Models, label},
};
use bytes::Bytes;
use hyper::{
    Method, Request,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use std::{collections::BTreeMap, process::Stdio, time::Duration};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use tracing::info;

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
        done = follow(models, &wake.recipe), if follows => done?,
    }
    up.await;
    Ok(())
}

async fn follow(models: &Models, recipe: &Recipe) -> Result<(), String> {
    match recipe {
        Recipe::Command { command, args } => run(command, args).await,
        Recipe::Http { url, method, headers, body } => {
            let request = request(url, method, headers, body.as_ref())?;
            let answer = models.client.send(request).await.map_err(|failure| format!("{url}: {failure}"))?;
            let status = answer.status();
            let _ = read_all(answer.into_body(), LARGEST_ANSWER).await;
            if status.is_success() { Ok(()) } else { Err(format!("{url} answered {}", status.as_u16())) }
        }
    }
}

async fn run(command: &str, args: &[String]) -> Result<(), String> {
    let mut program = Command::new(command);
    program.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = program.spawn().map_err(|error| format!("`{command}` cannot be started: {error}"))?;
    let status = child.wait().await.map_err(|error| format!("`{command}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{command}` failed: {status}")) }
}

fn request(
    url: &str,
    method: &str,
    headers: &BTreeMap<String, String>,
    body: Option<&String>,
) -> Result<Request<Payload>, String> {
    let mut request = Request::new(Payload::Whole(body.cloned().unwrap_or_default().into()));
    *request.uri_mut() = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?;
    if body.is_some() {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header"))?;
        // The value may be a secret.
        let mut value = HeaderValue::from_str(value).map_err(|_| format!("`{name}` has a value that is none"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}
