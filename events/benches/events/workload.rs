//! What publishers do all day.

use mcpctl_events::{
    command::{AgentEntry, Command, Connect, Deactivate, Disconnect, Provider, Register, User},
    event::{
        row::{Cause, Status},
        session::{StreamEnd, Transport},
    },
    json::Json,
    name::{Name, SessionId},
};
use uuid::Uuid;

const PROMPT: &str = "You are a senior engineer who reviews changes of a large code base. Be terse, name the file and \
                      the line, and say what is wrong before you say what to do about it.";

/// One publisher: one Llm and one agent.
pub struct Publisher(u32);

impl Publisher {
    pub fn number(number: u32) -> Self {
        Self(number)
    }

    /// Its declaration; another `revision` is another definition of both rows.
    pub fn register(&self, revision: u32) -> Command {
        Command::Register(Register {
            session: self.session(),
            user: self.user(),
            providers: vec![self.provider(revision)],
            agents: vec![self.agent(revision)],
        })
    }

    pub fn connect(&self) -> Command {
        Command::Connect(Connect {
            session: self.session(),
            user: self.user().id,
            node: "http://127.0.0.1:8420".to_owned(),
            boot_id: id(3, 1),
            transport: Transport::Sse,
        })
    }

    pub fn disconnect(&self, epoch: u64) -> Command {
        Command::Disconnect(Disconnect { session: self.session(), epoch, cause: StreamEnd::Closed })
    }

    pub fn deactivate(&self, epoch: u64) -> Command {
        let (session, cause) = (self.session(), Cause::Disconnected);
        Command::Deactivate(Deactivate { session, epoch, cause, last_heartbeat_at: None })
    }

    fn provider(&self, revision: u32) -> Provider {
        Provider {
            id: id(1, self.0),
            name: name(&format!("qwen2.5-7b-{}", self.0)),
            type_: "vllm".to_owned(),
            model: format!("Qwen/Qwen2.5-7B-Instruct-AWQ-{revision}"),
            tier: Some("fast".to_owned()),
            description: Some("Seven billion parameters under the desk".to_owned()),
            pool_name: Some(name(&format!("pool-{}", self.0 % 100))),
            extra_config: None,
            initial_status: Status::Active,
            max_concurrent: Some(4),
            max_wait_seconds: Some(60),
            labels: None,
        }
    }

    fn agent(&self, revision: u32) -> AgentEntry {
        AgentEntry {
            id: id(2, self.0),
            name: name(&format!("reviewer-{}", self.0)),
            llm_name: name(&format!("qwen2.5-7b-{}", self.0)),
            description: Some(format!("Reviews changes, revision {revision}")),
            system_prompt: Some(PROMPT.to_owned()),
            project: None,
            default_params: Some(json(r#"{"temperature":0.2,"max_tokens":1024}"#)),
            extras: None,
            labels: None,
        }
    }

    fn session(&self) -> SessionId {
        SessionId::parse(&id(4, self.0).to_string()).expect("a session id")
    }

    fn user(&self) -> User {
        User { id: id(5, self.0 % 50), name: name(&format!("user-{}", self.0 % 50)) }
    }
}

pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// A UUIDv7 in form, the same in every run.
pub fn id(kind: u128, number: u32) -> Uuid {
    Uuid::from_u128(0x019b_5a00_0000_7000_8000_0000_0000_0000 | kind << 32 | u128::from(number))
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).expect("JSON")
}
