//! An example of every event.

use mcpctl_events::{
    access::Grant,
    definition::{
        AgentDefinition, Labels, LlmDefinition, Pin,
        document::{
            EnvValue, McpCommand, McpServer, McpTransport, PersonalityDefinition, ProjectDefinition, PromptDefinition,
            PromptOwner,
        },
    },
    event::{
        Body, Event, Subject,
        document::{self, DocumentEvent},
        registry::{ExpiryResumed, ExpirySuspended, Rewritten, WriterElected},
        row::{Appeared, Cause, Deleted, Kind, RowEvent, Status, Switched, Transition, Updated, WakeFailed},
        session::{SessionConnected, SessionDisconnected, SessionRegistered, StreamEnd, Transport},
        token::{Role, TokenIssued, TokenRevoked},
        user::{Granted, Withdrawn},
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
    Body::Project(DocumentEvent::Created(_)) => project(), Body::Project(DocumentEvent::Created(made(a_project())));
    Body::Project(DocumentEvent::Updated(_)) => project(), Body::Project(DocumentEvent::Updated(changed(ProjectDefinition::default())));
    Body::Project(DocumentEvent::Deleted(_)) => project(), Body::Project(DocumentEvent::Deleted(gone(document::Cause::User)));
    Body::Personality(DocumentEvent::Created(_)) => grumpy(), Body::Personality(DocumentEvent::Created(made(personality(None))));
    Body::Personality(DocumentEvent::Updated(_)) => grumpy(), Body::Personality(DocumentEvent::Updated(changed(personality(Some("Says no first")))));
    Body::Personality(DocumentEvent::Deleted(_)) => grumpy(), Body::Personality(DocumentEvent::Deleted(gone(document::Cause::AgentDeleted)));
    Body::Prompt(DocumentEvent::Created(_)) => prompt(), Body::Prompt(DocumentEvent::Created(made(a_prompt(PromptOwner::Project(name("apollo"))))));
    Body::Prompt(DocumentEvent::Updated(_)) => prompt(), Body::Prompt(DocumentEvent::Updated(changed(a_prompt(PromptOwner::Personality(name("grumpy"))))));
    Body::Prompt(DocumentEvent::Deleted(_)) => prompt(), Body::Prompt(DocumentEvent::Deleted(gone(document::Cause::PersonalityDeleted)));
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
    Body::Granted(_) => ann(), Body::Granted(Granted { user_id: id(0xa), grant: a_grant() });
    Body::Withdrawn(_) => ann(), Body::Withdrawn(Withdrawn { user_id: id(0xa), grant: a_grant() });
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
    Body::Rewritten(_) => registry(), Body::Rewritten(Rewritten {
        log_id: id(0xe),
        sequence: 41,
        head: Hash::of(b"the last commit of the log before"),
    });
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

fn project() -> Subject {
    Subject::Project(name("apollo"))
}

fn grumpy() -> Subject {
    Subject::Personality(name("grumpy"))
}

fn prompt() -> Subject {
    Subject::Prompt(name("house-rules"))
}

fn token() -> Subject {
    Subject::Token(name("laptop"))
}

fn ann() -> Subject {
    Subject::User(name("ann"))
}

fn a_grant() -> Grant {
    Grant::parse("run", "agent/local-*").expect("a grant")
}

fn registry() -> Subject {
    Subject::Registry(id(0xf))
}

fn a_project() -> ProjectDefinition {
    let program = McpCommand {
        command: "npx".to_owned(),
        args: vec!["-y".to_owned(), "@modelcontextprotocol/server-everything".to_owned()],
        env: [
            ("LOG_LEVEL".to_owned(), EnvValue::Value("debug".to_owned())),
            ("API_KEY".to_owned(), EnvValue::Env("EVERYTHING_KEY".to_owned())),
            ("CERTIFICATE".to_owned(), EnvValue::File("/etc/mcp/certificate".to_owned())),
        ]
        .into(),
    };
    ProjectDefinition {
        description: Some("To the moon".to_owned()),
        mcp_servers: vec![
            McpServer { name: name("calc"), transport: McpTransport::Http("http://127.0.0.1:9000/mcp".to_owned()) },
            McpServer { name: name("everything"), transport: McpTransport::Stdio(program) },
        ],
    }
}

fn personality(description: Option<&str>) -> PersonalityDefinition {
    PersonalityDefinition { agent: name("local-coder"), description: description.map(str::to_owned) }
}

fn a_prompt(owner: PromptOwner) -> PromptDefinition {
    PromptDefinition { content: "Tests first.\nThen code.".to_owned(), priority: -3, owner }
}

fn made<D>(definition: D) -> document::Created<D> {
    let (cause, definition) = (document::Cause::User, Arc::new(definition));
    document::Created { cause, id: id(0x21), owner_id: id(0xa), version: 1, definition }
}

fn changed<D>(definition: D) -> document::Updated<D> {
    document::Updated { cause: document::Cause::User, version: 2, definition: Arc::new(definition) }
}

fn gone(cause: document::Cause) -> document::Deleted {
    document::Deleted { cause, id: id(0x21) }
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
