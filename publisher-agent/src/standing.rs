//! `mcplocal status`: what the registry says of this machine's publisher.

use crate::{
    http::{Client, Payload, read_all, within},
    server::ask,
    settings::ServerSource,
    shown,
};
use hyper::{Method, StatusCode};
use mcpctl_events::wire::{error::ErrorBody, sessions::Session};
use std::{fs, path::Path, time::Duration};
use tokio_util::task::TaskTracker;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: usize = 16 << 20;

/// The lines of it, and whether the publisher is connected.
///
/// # Errors
/// A sentence on why nothing is known.
pub async fn look(server: &ServerSource, file: &Path) -> Result<(String, bool), String> {
    let endpoint = server.read()?;
    let Ok(id) = fs::read_to_string(file) else {
        return Err(format!("{} is not there: mcplocal has not run here yet", file.display()));
    };
    let client = Client::new(ANSWER_WITHIN, &TaskTracker::new());
    let request = ask(&endpoint, Method::GET, &format!("/api/v1/sessions/{}", id.trim()), Payload::empty())?;
    let late = || format!("{}: no answer in time", endpoint.url);
    let answer = within(ANSWER_WITHIN, client.send(request)).await.ok_or_else(late)?;
    let answer = answer.map_err(|failure| format!("{}: {}", endpoint.url, failure.reason))?;
    let status = answer.status();
    let body = within(ANSWER_WITHIN, read_all(answer.into_body(), LARGEST_ANSWER)).await.ok_or_else(late)?;
    let body = body.map_err(|error| format!("{}: {error}", endpoint.url))?;
    if status == StatusCode::NOT_FOUND {
        return Err(format!("{} does not know this publisher: is mcplocal running?", endpoint.url));
    }
    if !status.is_success() {
        let said = serde_json::from_slice::<ErrorBody>(&body).map_or_else(|_| status.to_string(), |body| body.error);
        return Err(format!("{}: {}", endpoint.url, shown::line(&said)));
    }
    let session: Session =
        serde_json::from_slice(&body).map_err(|_| format!("what answers at {} is no mcpd", endpoint.url))?;
    Ok((sheet(&endpoint.url, &session), session.connected))
}

fn sheet(url: &str, session: &Session) -> String {
    let listed = |names: &[String]| if names.is_empty() { "-".to_owned() } else { shown::line(&names.join(", ")) };
    let by = session.transport.as_ref().map(|transport| format!(", by {}", shown::line(transport))).unwrap_or_default();
    let connected = if session.connected { "yes" } else { "no" };
    let heard = shown::line(session.last_heartbeat_at.as_deref().unwrap_or("-"));
    format!(
        "Server:      {url}\nPublisher:   {} of {}\nConnected:   {connected}{by}\nLast heard:  {heard}\nLlms:        {}\n\
         Agents:      {}\nCalls:       {} open, {} waiting\n",
        shown::line(&session.id),
        shown::line(session.user.as_deref().unwrap_or("-")),
        listed(&session.llms),
        listed(&session.agents),
        session.open_calls,
        session.queued_calls
    )
}
