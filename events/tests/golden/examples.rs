//! An example of every event.

use mcpctl_events::{
    definition::{AgentDefinition, Labels, LlmDefinition, Pin},
    event::{
        Body, Event, Subject,
        registry::{ExpiryResumed, ExpirySuspended, WriterElected},
        row::{Appeared, Cause, Deleted, Kind, RowEvent, Status, Switched, Transition, Updated, WakeFailed},
        session::{SessionConnected, SessionDisconnected, SessionRegistered, StreamEnd, Transport},
        token::{Role, TokenIssued, TokenRevoked},
    },
    hash::Hash,
    name::{Name, SessionId},
    time::LogTime,
    wire::rows::ApiKeyRef,
};
use std::sync::Arc;
use uuid::Uuid;

/// Lists every variant with an example. Does not compile when one is missing.
macro_rules! every_body {
    ($($pattern:pat => $subject:expr, $body:expr;)*) => {
        pub fn examples() -> Vec<Event> {
            let exhaustive = |body: &Body| match body { $($pattern => ()),* };
            let examples = vec![$({
                let body = $body;
                assert!(matches!(body, $pattern), "{body:?}");
                Event { subject: $subject, body }
            }),*];
            for event in &examples {
                exhaustive(&event.body);
            }
            examples
        }
    };
}

every_body! {
    Body::Llm(RowEvent::Registered(_)) => llm(), Body::Llm(RowEvent::Registered(published(Cause::Registered, virtual_llm(), 1)));
    Body::Llm(RowEvent::Restored(_)) => llm(), Body::Llm(RowEvent::Restored(published(Cause::Restored, virtual_llm(), 4)));
    Body::Llm(RowEvent::Created(_)) => llm(), Body::Llm(RowEvent::Created(by_hand(public_llm())));
    Body::Llm(RowEvent::Updated(_)) => llm(), Body::Llm(RowEvent::Updated(updated(public_llm())));
    Body::Llm(RowEvent::Activated(_)) => llm(), Body::Llm(RowEvent::Activated(woken()));
    Body::Llm(RowEvent::Hibernated(_)) => llm(), Body::Llm(RowEvent::Hibernated(slept()));
    Body::Llm(RowEvent::Deactivated(_)) => llm(), Body::Llm(RowEvent::Deactivated(expired()));
    Body::Llm(RowEvent::WakeFailed(_)) => llm(), Body::Llm(RowEvent::WakeFailed(wake_failed()));
    Body::Llm(RowEvent::Disabled(_)) => llm(), Body::Llm(RowEvent::Disabled(switched()));
    Body::Llm(RowEvent::Enabled(_)) => llm(), Body::Llm(RowEvent::Enabled(switched()));
    Body::Llm(RowEvent::Deleted(_)) => llm(), Body::Llm(RowEvent::Deleted(swept(Cause::Retention)));
    Body::Agent(RowEvent::Registered(_)) => agent(), Body::Agent(RowEvent::Registered(published(Cause::Registered, full_agent(), 1)));
    Body::Agent(RowEvent::Restored(_)) => agent(), Body::Agent(RowEvent::Restored(published(Cause::Restored, pooled_agent(), 4)));
    Body::Agent(RowEvent::Created(_)) => agent(), Body::Agent(RowEvent::Created(by_hand(pooled_agent())));
    Body::Agent(RowEvent::Updated(_)) => agent(), Body::Agent(RowEvent::Updated(updated(full_agent())));
    Body::Agent(RowEvent::Activated(_)) => agent(), Body::Agent(RowEvent::Activated(reconnected()));
    Body::Agent(RowEvent::Hibernated(_)) => agent(), Body::Agent(RowEvent::Hibernated(slept()));
    Body::Agent(RowEvent::Deactivated(_)) => agent(), Body::Agent(RowEvent::Deactivated(withdrawn()));
    Body::Agent(RowEvent::WakeFailed(_)) => agent(), Body::Agent(RowEvent::WakeFailed(wake_failed()));
    Body::Agent(RowEvent::Disabled(_)) => agent(), Body::Agent(RowEvent::Disabled(switched()));
    Body::Agent(RowEvent::Enabled(_)) => agent(), Body::Agent(RowEvent::Enabled(switched()));
    Body::Agent(RowEvent::Deleted(_)) => agent(), Body::Agent(RowEvent::Deleted(deleted_by_hand()));
    Body::SessionRegistered(_) => session(), Body::SessionRegistered(SessionRegistered { user_id: id(0xa), user: name("ann") });
    Body::SessionConnected(_) => session(), Body::SessionConnected(SessionConnected {
        epoch: 2,
        node: "http://10.0.0.7:8420".to_owned(),
        boot_id: id(0xb),
        transport: Transport::LongPoll,
    });
    Body::SessionDisconnected(_) => session(),
        Body::SessionDisconnected(SessionDisconnected { epoch: 2, cause: StreamEnd::NodeLost });
    Body::TokenIssued(_) => token(), Body::TokenIssued(TokenIssued {
        id: id(0x70),
        user_id: id(0xa),
        user: name("ann"),
        role: Role::Publisher,
        sha256: Hash::of(b"secret"),
        expires_at: Some(time()),
    });
    Body::TokenRevoked(_) => token(), Body::TokenRevoked(TokenRevoked { id: id(0x70) });
    Body::WriterElected(_) => registry(), Body::WriterElected(WriterElected {
        term: 3,
        writer: id(0xc),
        advertise_url: "http://10.0.0.7:8420".to_owned(),
    });
    Body::ExpirySuspended(_) => registry(), Body::ExpirySuspended(ExpirySuspended {
        reason: "mass_silence".to_owned(),
        stale_sessions: 12,
        sessions: 20,
        until: time(),
        sweep_id: id(0x5),
    });
    Body::ExpiryResumed(_) => registry(), Body::ExpiryResumed(ExpiryResumed { sweep_id: id(0x5) });
}

pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0000 + number)
}

fn time() -> LogTime {
    LogTime::from_millis(1_800_000_000_123)
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn publisher() -> SessionId {
    SessionId::parse("Home_1-a").expect("a session id")
}

fn llm() -> Subject {
    Subject::Llm(name("qwen2.5-7b"))
}

fn agent() -> Subject {
    Subject::Agent(name("local-coder"))
}

fn session() -> Subject {
    Subject::Session(publisher())
}

fn token() -> Subject {
    Subject::Token(name("laptop"))
}

fn registry() -> Subject {
    Subject::Registry(id(0xf))
}

fn virtual_llm() -> LlmDefinition {
    LlmDefinition {
        type_: "vllm".to_owned(),
        model: "Qwen/Qwen2.5-7B-Instruct-AWQ".to_owned(),
        url: None,
        tier: Some("fast".to_owned()),
        description: Some("Grüße \"from\" the\nbasement".to_owned()),
        pool_name: Some(name("qwen")),
        api_key_ref: None,
        extra_config: Some(serde_json::from_str(r#"{"z":1.50,"a":[1e400,null]}"#).expect("an object")),
        max_concurrent: Some(4),
        max_wait_seconds: Some(90),
        labels: Labels::from([("gpu".to_owned(), "4090".to_owned()), ("site".to_owned(), "home".to_owned())]),
    }
}

fn public_llm() -> LlmDefinition {
    LlmDefinition {
        type_: "openai".to_owned(),
        model: "gpt".to_owned(),
        url: Some("https://models.example/v1".to_owned()),
        tier: None,
        description: None,
        pool_name: None,
        api_key_ref: Some(ApiKeyRef { env: Some("MODELS_KEY".to_owned()), file: None }),
        extra_config: None,
        max_concurrent: None,
        max_wait_seconds: None,
        labels: Labels::new(),
    }
}

fn full_agent() -> AgentDefinition {
    AgentDefinition {
        description: Some("Writes code".to_owned()),
        system_prompt: Some("You are a senior engineer. Be terse.".to_owned()),
        llm: Pin { id: Some(id(0x11)), name: name("qwen2.5-7b") },
        project: Some(name("apollo")),
        default_personality: Some(name("grumpy")),
        proxy_model_name: Some("coder".to_owned()),
        default_params: Some(serde_json::from_str(r#"{"temperature":0.20}"#).expect("an object")),
        extras: Some(serde_json::from_str("{}").expect("an object")),
        labels: Labels::from([("team".to_owned(), "a".to_owned())]),
    }
}

fn pooled_agent() -> AgentDefinition {
    AgentDefinition {
        description: None,
        system_prompt: None,
        llm: Pin { id: None, name: name("qwen") },
        project: None,
        default_personality: None,
        proxy_model_name: None,
        default_params: None,
        extras: None,
        labels: Labels::new(),
    }
}

fn published<D>(cause: Cause, definition: D, version: u64) -> Appeared<D> {
    Appeared {
        cause,
        from: None,
        to: Status::Active,
        id: id(0x11),
        kind: Kind::Virtual,
        owner_id: id(0xa),
        session_id: Some(publisher()),
        version,
        definition: Arc::new(definition),
    }
}

fn by_hand<D>(definition: D) -> Appeared<D> {
    Appeared { kind: Kind::Public, session_id: None, ..published(Cause::User, definition, 1) }
}

fn updated<D>(definition: D) -> Updated<D> {
    let (cause, from, to) = (Cause::User, Status::Inactive, Status::Active);
    Updated { cause, from, to, kind: Kind::Public, version: 2, definition: Arc::new(definition) }
}

fn woken() -> Transition {
    let latency_ms = Some(2100);
    let woken = Transition::new(Cause::Woken, Status::Hibernating, Status::Active, Some(publisher()));
    Transition { latency_ms, ..woken }
}

fn slept() -> Transition {
    Transition::new(Cause::Slept, Status::Active, Status::Hibernating, Some(publisher()))
}

fn reconnected() -> Transition {
    Transition::new(Cause::Reconnected, Status::Inactive, Status::Active, Some(publisher()))
}

fn withdrawn() -> Transition {
    Transition::new(Cause::Withdrawn, Status::Active, Status::Inactive, None)
}

fn expired() -> Transition {
    Transition {
        last_heartbeat_at: Some(time()),
        cutoff: Some(time()),
        sweep_id: Some(id(0x5)),
        ..Transition::new(Cause::HeartbeatStale, Status::Active, Status::Inactive, Some(publisher()))
    }
}

fn wake_failed() -> WakeFailed {
    WakeFailed {
        cause: Cause::WakeFailed,
        from: Status::Hibernating,
        to: Status::Hibernating,
        reason: "systemctl: unit not found".to_owned(),
        latency_ms: 60_000,
    }
}

fn switched() -> Switched {
    Switched { cause: Cause::User, from: Status::Active, to: Status::Active }
}

fn swept(cause: Cause) -> Deleted {
    Deleted {
        cause,
        from: Status::Inactive,
        to: None,
        id: id(0x11),
        inactive_since: Some(time()),
        last_heartbeat_at: Some(time()),
        cutoff: Some(time()),
        sweep_id: Some(id(0x5)),
    }
}

fn deleted_by_hand() -> Deleted {
    Deleted { inactive_since: None, last_heartbeat_at: None, cutoff: None, sweep_id: None, ..swept(Cause::User) }
}
