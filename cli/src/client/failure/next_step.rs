//! What the user can do about a failure: every one has a way out.

use super::{Failure, Refusal, about};
use crate::client::route::Subject;
use reqwest::StatusCode;

/// How a sentence about a public model's server begins; its Llm follows in quotes.
const MODEL_SERVER: &str = "the model server of '";

/// What to try next, best first.
pub fn after(failure: &Failure) -> Vec<String> {
    let step = match failure {
        Failure::Unreachable { .. } => {
            "check that mcpd is running there; `mcpctl dev` starts one here, --server or MCPCTL_SERVER names another"
        }
        Failure::Misspoken { .. } => "give --server, or SSL_CERT_FILE in the environment, as that says",
        Failure::Broken { .. } => "try again; `mcpctl status` says how the server is",
        Failure::Malformed { .. } => "check that --server names an mcpd of this version",
        Failure::Stream { subject, .. } => return vec![after_stream(subject.as_ref())],
        Failure::Refused(refusal) => return after_refusal(refusal),
    };
    vec![step.to_owned()]
}

fn after_stream(subject: Option<&Subject>) -> String {
    subject.and_then(explain).map_or_else(
        || "try again; `mcpctl status` says how the server is".to_owned(),
        |explain| format!("try again; {explain} says how it stands, and why"),
    )
}

fn after_refusal(refusal: &Refusal) -> Vec<String> {
    if refusal.by_model {
        let name = refusal.subject.as_ref().map_or("NAME", |subject| &subject.name);
        let step = "is about the model server itself, its key or what was sent to it, and not about this registry";
        return vec![format!("this {step}; `mcpctl describe llm {name}` says which it is")];
    }
    if refusal.body.code == "DAMAGED" {
        return vec!["it does not pass by itself: `mcpctl audit verify` says where the damage is".to_owned()];
    }
    // Waiting does not end what somebody has switched off.
    let passes = refusal.body.code != "DISABLED";
    let wait = refusal.retry_after.as_ref().filter(|_| passes).map(|s| format!("try again in {s} s"));
    let steps: Vec<String> = about_subject(refusal).into_iter().chain(wait).collect();
    if steps.is_empty() { vec![by_status(refusal.status).to_owned()] } else { steps }
}

/// What the resource that was asked for, or that is in the way, has to do with it.
fn about_subject(refusal: &Refusal) -> Option<String> {
    if refusal.body.code == "USER_NOT_FOUND" {
        return Some("`mcpctl token list` lists who there is".to_owned());
    }
    if refusal.body.code == "LAST_ADMIN" {
        return Some("`mcpctl token create --name NAME --role admin` makes another one".to_owned());
    }
    if let Some(missing) = about::missing(&refusal.body.error) {
        return Some(listing(&missing, refusal.subject.as_ref()));
    }
    if let Some(taken) = about::taken(&refusal.body.error) {
        return Some(making_room(&taken));
    }
    let subject = refusal.subject.as_ref()?;
    match (refusal.status, subject.list.as_str()) {
        (StatusCode::NOT_FOUND, "grants") => Some("`mcpctl auth grants` lists what there is".to_owned()),
        (StatusCode::NOT_FOUND, list @ ("agents" | "llms")) => Some(format!("`mcpctl get {list}` lists what there is")),
        (StatusCode::CONFLICT, "inference-tasks") => {
            Some(format!("nothing is left to cancel; `mcpctl get task {} -o json` has the answer", subject.name))
        }
        // A URL that nobody watches: what is known of it is where it is.
        (StatusCode::BAD_GATEWAY, _) if refusal.body.error.starts_with(MODEL_SERVER) => {
            let at = refusal.body.error[MODEL_SERVER.len()..].split('\'').next().unwrap_or_default();
            Some(format!("check that server, at the URL that `mcpctl describe llm {at}` shows"))
        }
        (StatusCode::CONFLICT, _) => describe(subject).map(|describe| format!("{describe} says how it is now")),
        (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT, _) => {
            explain(subject).map(|explain| format!("{explain} says how it stands, and why"))
        }
        _ => None,
    }
}

/// How to see what there is of that kind; `asked` is what the request was about.
fn listing(missing: &Subject, asked: Option<&Subject>) -> String {
    let of_agent = asked.filter(|asked| asked.list == "agents");
    match (missing.list.as_str(), of_agent) {
        ("threads", None) => "`mcpctl get threads --agent NAME` lists what there is".to_owned(),
        (list @ ("threads" | "personalities"), Some(agent)) => {
            format!("`mcpctl get {list} --agent {}` lists what there is", agent.name)
        }
        ("tokens", _) => "`mcpctl token list` lists what there is".to_owned(),
        ("inference-tasks", _) => "`mcpctl get tasks` lists what there is".to_owned(),
        (list, _) => format!("`mcpctl get {list}` lists what there is"),
    }
}

/// What to do where a name is taken.
fn making_room(taken: &Subject) -> String {
    let name = &taken.name;
    let word = match taken.list.as_str() {
        "tokens" => return format!("take another --name, or `mcpctl token revoke {name}` first"),
        "personalities" => "personality",
        list => list.trim_end_matches('s'),
    };
    format!(
        "take another name; `mcpctl get {word} {name}` shows what is there, and `mcpctl edit` and `apply` change it"
    )
}

fn by_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "run `mcpctl login`, or give another --token",
        StatusCode::FORBIDDEN => "ask an admin, or use another token; `mcpctl auth whoami` says what this one may",
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            "correct what the message names; `mcpctl COMMAND --help` explains names and flags"
        }
        StatusCode::CONFLICT => "see what is there now with `mcpctl get` or `mcpctl events`, and then try again",
        StatusCode::PAYLOAD_TOO_LARGE => "send less: a shorter message or system prompt, or begin a new thread",
        StatusCode::TOO_MANY_REQUESTS => "wait a moment, then try again",
        status if status.is_redirection() => "give that address as --server",
        status if status.is_server_error() => "try again in a moment; `mcpctl status` says how the server is",
        _ => "check what was asked for, and that --server names an mcpd of this version",
    }
}

fn describe(subject: &Subject) -> Option<String> {
    Some(format!("`mcpctl describe {} {}`", row(subject)?, subject.name))
}

fn explain(subject: &Subject) -> Option<String> {
    Some(format!("`mcpctl why {} {}`", row(subject)?, subject.name))
}

fn row(subject: &Subject) -> Option<&'static str> {
    match subject.list.as_str() {
        "agents" => Some("agent"),
        "llms" => Some("llm"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpctl_events::wire::error::ErrorBody;

    fn refused(status: u16, list: Option<&str>, retry_after: Option<&str>) -> Vec<String> {
        let body = ErrorBody { error: "no".into(), code: String::new(), details: vec![] };
        after(&Failure::Refused(Box::new(Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            body,
            subject: list.map(|list| Subject { list: list.to_owned(), name: "x".to_owned() }),
            retry_after: retry_after.map(str::to_owned),
            by_model: false,
        })))
    }

    #[test]
    fn every_refusal_has_a_way_out() {
        for status in (300..=308).chain(400..=431).chain(500..=511) {
            for list in [None, Some("agents"), Some("llms"), Some("threads"), Some("events")] {
                let steps = refused(status, list, None);
                assert!(steps.len() == 1 && !steps[0].is_empty(), "{status} {list:?}: {steps:?}");
            }
        }
    }

    #[test]
    fn the_way_out_fits_the_refusal() {
        for (status, list, part) in [
            (401, None, "mcpctl login"),
            (404, Some("agents"), "mcpctl get agents"),
            (409, Some("llms"), "mcpctl describe llm x"),
            (409, Some("threads"), "mcpctl get"),
            (400, Some("agents"), "--help"),
            (503, Some("agents"), "mcpctl why agent x"),
            (504, Some("llms"), "mcpctl why llm x"),
            (504, None, "mcpctl status"),
            (308, None, "--server"),
        ] {
            assert!(refused(status, list, None)[0].contains(part), "{status}");
        }
        let said = |status: u16, error: &str, list: Option<&str>| {
            let body = ErrorBody { error: error.into(), code: String::new(), details: vec![] };
            let status = StatusCode::from_u16(status).unwrap();
            let subject = list.map(|list| Subject { list: list.to_owned(), name: "x".to_owned() });
            after(&Failure::Refused(Box::new(Refusal { status, body, subject, retry_after: None, by_model: false })))
        };
        for (status, error, list, part) in [
            (404, "Llm not found: y", None, "`mcpctl get llms` lists"),
            (404, "Thread not found: y", Some("threads"), "`mcpctl get threads --agent NAME` lists"),
            (404, "Thread not found: y", Some("agents"), "`mcpctl get threads --agent x` lists"),
            (404, "Personality not found: y; agent 'x' has none", Some("agents"), "get personalities --agent x"),
            (404, "Token not found: y", Some("tokens"), "mcpctl token list"),
            (409, "Token 'y' already exists", None, "mcpctl token revoke y"),
            (409, "Personality 'y' already exists", None, "mcpctl get personality y"),
            (409, "Llm 'y' already exists", None, "mcpctl get llm y"),
        ] {
            assert!(said(status, error, list)[0].contains(part), "{error}: {:?}", said(status, error, list));
        }
        assert_eq!(refused(429, None, Some("3")), ["try again in 3 s"]);
        assert_eq!(refused(503, Some("agents"), Some("3")).len(), 2);
        let body = ErrorBody { error: "no".into(), code: "DISABLED".into(), details: vec![] };
        let (status, subject) =
            (StatusCode::SERVICE_UNAVAILABLE, Some(Subject { list: "llms".into(), name: "x".into() }));
        let disabled = Refusal { status, body, subject, retry_after: Some("60".into()), by_model: false };
        assert_eq!(after(&Failure::Refused(Box::new(disabled))).len(), 1, "waiting does not help");
    }

    #[test]
    fn a_reply_that_broke_off_can_be_asked_for_again() {
        let failed = |subject| after(&Failure::Stream { error: "gone".into(), subject });
        assert_eq!(failed(None), ["try again; `mcpctl status` says how the server is"]);
        let agent = Subject { list: "agents".into(), name: "x".into() };
        assert_eq!(failed(Some(agent)), ["try again; `mcpctl why agent x` says how it stands, and why"]);
    }
}
