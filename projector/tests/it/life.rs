//! A registry's life on a log in memory.

use crate::dir::Dir;
use mcpctl_events::{
    command::{AgentEntry, Command, Create, DeleteRow, Hand, Provider, Reach, Register, User},
    decide::{Context, Quotas, decide},
    definition::{AgentDefinition, Labels, LlmDefinition, Pin},
    event::{Event, row::Status},
    json::Json,
    log::{Entry, EventLog, Position, memory::MemoryLog},
    name::{Name, SessionId},
    record::{Actor, Header, Record, RecordKind, VERSION},
    rejection::Rejection,
    replica::{Decoded, Replica},
    time::LogTime,
};
use mcpctl_projector::{
    Tables,
    follow::{SharedLog, project, start},
};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// One writer that decides and appends.
pub struct Life {
    pub log: Arc<MemoryLog>,
    pub replica: Replica,
    pub now: LogTime,
    log_id: Uuid,
    ids: u128,
}

impl Life {
    pub fn new() -> Self {
        Self::of(1)
    }

    /// A log of its own id, already claimed.
    pub fn of(log: u128) -> Self {
        let mut life = Self {
            log: Arc::default(),
            replica: Replica::default(),
            now: LogTime::from_millis(1_800_000_000_000),
            log_id: Uuid::from_u128(log),
            ids: 1000,
        };
        life.append(RecordKind::Claim, Vec::new());
        life
    }

    pub fn shared(&self) -> SharedLog {
        self.log.clone()
    }

    pub fn sequence(&self) -> u64 {
        self.replica.admission.last_sequence
    }

    pub fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    /// Decides and writes; how many events it made.
    pub fn run(&mut self, command: &Command) -> Result<usize, Rejection> {
        self.pass(1);
        let context = Context { now: self.now, log_id: self.log_id, quotas: Quotas::NONE };
        let events = decide(&self.replica.state, command, context)?;
        let count = events.len();
        if count > 0 {
            self.append(RecordKind::Commit, events);
        }
        Ok(count)
    }

    pub fn write(&mut self, event: Event) {
        self.append(RecordKind::Commit, vec![event]);
    }

    /// Bytes that are no record, as a torn write leaves them.
    pub fn litter(&mut self) {
        self.append_bytes(b"{torn".to_vec().into());
    }

    pub fn append(&mut self, kind: RecordKind, events: Vec<Event>) {
        let admission = &self.replica.admission;
        let term = admission.term + u64::from(kind == RecordKind::Claim);
        let header = Header {
            v: VERSION,
            log_id: self.log_id,
            term,
            writer: Uuid::from_u128(7),
            kind,
            first_sequence: admission.last_sequence + 1,
            count: events.len() as u64,
            prev_hash: admission.head,
        };
        let (command_id, actor) = (self.id(), Actor::System(name("test")));
        let record = Record { header, command_id, idempotency: None, decided_at: self.now, actor, events };
        self.append_bytes(record.encode());
    }

    fn append_bytes(&mut self, bytes: bytes::Bytes) {
        self.log.append(std::slice::from_ref(&bytes)).unwrap();
        let position = Position(self.replica.position.0 + 1);
        self.replica.apply(&Decoded::new(&Entry { position, bytes })).unwrap();
    }

    /// What is on the log after a position.
    pub fn entries(&self, after: u64) -> Vec<Decoded> {
        let page = self.log.read(Position(after), usize::MAX).unwrap();
        page.entries.iter().map(Decoded::new).collect()
    }

    pub fn register(&mut self, session_id: &str, llms: &[&str], agents: &[(&str, &str)]) -> Result<usize, Rejection> {
        let providers = llms.iter().map(|name| self.provider(name)).collect();
        let agents = agents.iter().map(|(name, llm)| self.agent(name, llm)).collect();
        self.run(&Command::Register(Register { session: session(session_id), user: ann(), providers, agents }))
    }

    pub fn provider(&mut self, llm: &str) -> Provider {
        Provider {
            id: self.id(),
            name: name(llm),
            type_: "openai".to_owned(),
            model: format!("Org/{llm}"),
            tier: None,
            description: Some(format!("Größtes \"{llm}\" \u{1F600}")),
            pool_name: None,
            extra_config: Some(json(r#"{"z":1.50,"a":[1e400]}"#)),
            initial_status: Status::Active,
            max_concurrent: Some(4),
            max_wait_seconds: None,
            labels: Some(labels(&[("team", "a")])),
        }
    }

    pub fn agent(&mut self, agent: &str, llm: &str) -> AgentEntry {
        AgentEntry {
            id: self.id(),
            name: name(agent),
            llm_name: name(llm),
            description: None,
            system_prompt: Some("Be terse.\nAlways.".to_owned()),
            project: None,
            default_params: Some(json(r#"{"temperature":0.20}"#)),
            extras: None,
            labels: None,
        }
    }

    pub fn create_llm(&mut self, llm: &str, definition: LlmDefinition) -> Result<usize, Rejection> {
        let create = Create { id: self.id(), name: name(llm), owner: ann().id, definition };
        self.run(&Command::CreateLlm(create))
    }

    pub fn create_agent(&mut self, agent: &str, definition: AgentDefinition) -> Result<usize, Rejection> {
        let create = Create { id: self.id(), name: name(agent), owner: ann().id, definition };
        self.run(&Command::CreateAgent(create))
    }
}

pub fn public_llm(model: &str) -> LlmDefinition {
    LlmDefinition {
        type_: "openai".to_owned(),
        model: model.to_owned(),
        url: Some("https://models.example/v1".to_owned()),
        tier: Some("fast".to_owned()),
        description: None,
        pool_name: None,
        api_key_ref: Some(mcpctl_events::wire::rows::ApiKeyRef { env: Some("KEY".to_owned()), file: None }),
        extra_config: None,
        max_concurrent: None,
        max_wait_seconds: None,
        labels: Labels::new(),
    }
}

pub fn public_agent(llm: &str) -> AgentDefinition {
    AgentDefinition {
        description: None,
        system_prompt: None,
        llm: Pin { id: None, name: name(llm) },
        project: None,
        default_personality: None,
        proxy_model_name: Some("gpt-4".to_owned()),
        default_params: None,
        extras: Some(json(r#"{"b":1,"a":2}"#)),
        labels: Labels::new(),
    }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn session(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub fn ann() -> User {
    User { id: Uuid::from_u128(42), name: name("ann") }
}

/// Somebody who may do everything by hand.
pub fn admin() -> Hand {
    Hand { user: ann().id, reach: Reach::All }
}

pub fn delete_llm(llm: &str) -> Command {
    Command::DeleteLlm(DeleteRow { name: name(llm), by: admin() })
}

pub fn delete_agent(agent: &str) -> Command {
    Command::DeleteAgent(DeleteRow { name: name(agent), by: admin() })
}

/// Tables that hold all of it.
pub async fn projected(life: &Life, dir: &Dir) -> Tables {
    let tables = Tables::open(dir.database()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    tables
}

/// So many sessions, each with an Llm and an agent.
pub fn many(life: &mut Life, sessions: usize) {
    for n in 0..sessions {
        let (llm, agent) = (format!("llm{n:04}"), format!("agent{n:04}"));
        life.register(&format!("s{n}"), &[&llm], &[(&agent, &llm)]).unwrap();
    }
}
