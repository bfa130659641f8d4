//! Declaring what is published: at first, and again when model servers come and go.

use crate::{
    backoff::Backoff,
    connection::Ended,
    declaration::{declare, is_empty, left_out},
    notice::Notice,
    publisher::Publisher,
    server::{CallError, Server},
};
use mcpctl_events::wire::{error::Problem, publish::Register};
use std::sync::Arc;
use tracing::{info, warn};

/// Tries until the server took a first declaration; says where it is and what it took.
pub async fn first(publisher: &Publisher, notice: &mut Notice) -> Result<(Arc<Server>, Register), String> {
    let server = Arc::new(publisher.server()?);
    let declared = declarable(publisher, &server.session, notice).await;
    match send(publisher, &server, &declared).await {
        Ok(()) => Ok((server, declared)),
        Err(error) if error.is_session_of_another_user() => {
            publisher.leave_session();
            Err(format!("session {} is another user's by now: taking a new one", server.session))
        }
        Err(error) => Err(explain(&error, &declared)),
    }
}

/// Declares anew on each change, until nothing is left to publish.
pub async fn follow(publisher: Arc<Publisher>, server: Arc<Server>, mut declared: Register) -> anyhow::Result<Ended> {
    let mut states = publisher.models.availability.subscribe();
    let (mut notice, mut backoff, mut is_due) = (Notice::default(), Backoff::default(), false);
    loop {
        let next = declare(&publisher.config, &states.borrow_and_update(), &server.session);
        if is_empty(&next) {
            if publisher.tasks.is_idle() {
                return Ok(Ended::NothingLeft);
            }
            // What is under way may still come to its end: a disconnect would cut it.
            tokio::select! {
                changed = states.changed() => changed?,
                () = publisher.tasks.idle() => {}
            }
            continue;
        }
        if same(&next, &declared) && !is_due {
            tokio::select! {
                changed = states.changed() => changed?,
                () = publisher.is_to_declare_again() => is_due = true,
            }
            continue;
        }
        let Some(sent) = publisher.unless_woken(send(&publisher, &server, &next)).await else { continue };
        match sent {
            Ok(()) => {
                notice.over("the server took the registration");
                backoff.reset();
                (declared, is_due) = (next, false);
            }
            Err(why) => {
                notice.trouble(explain(&why, &next));
                publisher.pause(backoff.jittered()).await;
            }
        }
    }
}

/// Waits until every model server was looked at and there is something to publish.
async fn declarable(publisher: &Publisher, session: &str, notice: &mut Notice) -> Register {
    let mut states = publisher.models.availability.subscribe();
    loop {
        let known = !states.borrow_and_update().values().any(|state| *state == crate::availability::State::Unknown);
        if known {
            let declared = declare(&publisher.config, &states.borrow(), session);
            if !is_empty(&declared) {
                return declared;
            }
            notice.trouble("nothing to publish for now".to_owned());
        }
        if states.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn send(publisher: &Publisher, server: &Server, declared: &Register) -> Result<(), CallError> {
    let taken = server.register(declared).await?;
    let (llms, agents) = (counted(taken.llms.len(), "model"), counted(taken.agents.len(), "agent"));
    info!("published {llms} and {agents} at {}", server.endpoint.url);
    let left_out = left_out(&publisher.config, declared);
    if !left_out.is_empty() {
        warn!("left out until a model that they can use answers: agents {}", left_out.join(", "));
    }
    Ok(())
}

fn same(one: &Register, other: &Register) -> bool {
    let text = |declared| serde_json::to_string(declared).unwrap_or_default();
    text(one) == text(other)
}

/// A line of a log is one line, and says what it says from left to right: what a server writes is no exception.
fn on_one_line(text: &str) -> String {
    let shown = |letter: char| {
        let is_plain = matches!(letter, '"' | '\'' | '\\');
        let escaped = (!is_plain).then(|| letter.escape_debug());
        is_plain.then_some(letter).into_iter().chain(escaped.into_iter().flatten())
    };
    text.chars().flat_map(shown).collect()
}

/// A refusal, with the entries at fault as config.json has them.
fn explain(error: &CallError, declared: &Register) -> String {
    match error {
        CallError::Refused { url, .. } => {
            let faults = faults(error, declared).join("; ");
            let next = way_out(error).map(|next| format!("; {next}")).unwrap_or_default();
            on_one_line(&format!("the registration was refused by {url}: {faults}{next}"))
        }
        _ => format!("cannot register: {error}"),
    }
}

/// What a server has against a declaration, by the names of config.json.
pub fn faults(error: &CallError, declared: &Register) -> Vec<String> {
    let CallError::Refused { status, body, .. } = error else { return vec![error.to_string()] };
    if body.details.is_empty() {
        return vec![format!("{} ({})", body.error, status.as_u16())];
    }
    let fault = |Problem { pointer, reason }: &Problem| match entry(pointer, declared) {
        Some(place) => format!("{place}: {reason}"),
        None if pointer.is_empty() => reason.clone(),
        None => format!("{pointer}: {reason}"),
    };
    body.details.iter().map(fault).collect()
}

/// What ends a refusal, where its words do not say it.
pub fn way_out(error: &CallError) -> Option<&'static str> {
    match error.code() {
        "PUBLIC_ROW" => Some(
            "publish it under another name (--name-suffix gives all of them one), or have the public one deleted with \
             `mcpctl delete`",
        ),
        "ACTIVE_ELSEWHERE" => Some("if that is another machine of yours, --name-suffix gives each its own names"),
        "LLM_NOT_FOUND" => Some("an agent's llm is a provider with \"publish\": true, or an Llm of the registry"),
        _ => None,
    }
}

/// `/providers/0/model` → `provider 'vllm-local', model`.
fn entry(pointer: &str, declared: &Register) -> Option<String> {
    let mut parts = pointer.splitn(4, '/').skip(1);
    let (list, index) = (parts.next()?, parts.next()?.parse::<usize>().ok()?);
    let entry = match list {
        "providers" => format!("provider '{}'", declared.providers.get(index)?.name),
        "agents" => format!("agent '{}'", declared.agents.get(index)?.name),
        _ => return None,
    };
    Some(match parts.next() {
        None => entry,
        // As an agent of config.json spells it.
        Some("llmName") => format!("{entry}, llm"),
        Some(field) => format!("{entry}, {field}"),
    })
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use mcpctl_events::wire::{error::ErrorBody, publish::Provider};

    #[test]
    fn a_refusal_names_the_entry_at_fault() {
        let provider = Provider { name: "vllm-local".to_owned(), ..Provider::default() };
        let declared = Register { provider_session_id: None, providers: vec![provider], agents: Vec::new() };
        let problem = |pointer: &str| Problem { pointer: pointer.to_owned(), reason: "is too long".to_owned() };
        let body = ErrorBody {
            error: "2 problems".to_owned(),
            code: "BAD_REQUEST".to_owned(),
            details: vec![problem("/providers/0/tier"), problem("/agents/7/name")],
        };
        let refused = CallError::Refused { url: "http://h".to_owned(), status: StatusCode::BAD_REQUEST, body };
        assert_eq!(
            explain(&refused, &declared),
            "the registration was refused by http://h: provider 'vllm-local', tier: is too long; /agents/7/name: is too \
             long"
        );
    }
}
