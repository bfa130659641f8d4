//! Commands in few words.

use crate::{
    command::{
        AgentEntry, CloseBoots, Command, Connect, Create, Deactivate, DeleteRow, Disconnect, Expire, Hand, IssueToken,
        Provider, Put, Reach, Register, Retention, Revive, SuspendExpiry, Switch, User, Wake, WakeOutcome,
    },
    definition::{
        AgentDefinition, Labels, LlmDefinition, Pin,
        document::{PersonalityDefinition, ProjectDefinition, PromptDefinition, PromptOwner},
    },
    event::{
        row::{Cause, Status},
        session::{StreamEnd, Transport},
        token::Role,
    },
    hash::Hash,
    json::Json,
    name::{Name, SessionId},
    time::LogTime,
};
use std::{cell::Cell, time::Duration};
use uuid::Uuid;

pub(super) const SWEEP: Uuid = Uuid::from_u128(0x5eeb);
pub(super) const BOOT: Uuid = Uuid::from_u128(0xb007);
pub(super) const NODE: &str = "http://one:8420";
/// When every history begins.
pub(super) fn start() -> LogTime {
    LogTime::from_millis(1_800_000_000_000)
}

pub(super) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

pub(super) const fn days(days: u64) -> Duration {
    hours(24 * days)
}

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub(super) fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

pub(super) fn labels(key: &str, value: &str) -> Labels {
    Labels::from([(key.to_owned(), value.to_owned())])
}

/// Never the same twice in a test.
pub(super) fn fresh() -> Uuid {
    thread_local!(static LAST: Cell<u128> = const { Cell::new(0x1000) });
    LAST.set(LAST.get() + 1);
    Uuid::from_u128(LAST.get())
}

pub(super) fn ann() -> User {
    User { id: Uuid::from_u128(0xa), name: name("ann") }
}

pub(super) fn bob() -> User {
    User { id: Uuid::from_u128(0xb), name: name("bob") }
}

/// A declaration of ann's.
pub(super) fn register(session: &str) -> Register {
    Register { session: id(session), user: ann(), providers: Vec::new(), agents: Vec::new() }
}

impl Register {
    pub(super) fn by(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    pub(super) fn llm(self, llm: &str) -> Self {
        self.llm_with(llm, |_| {})
    }

    pub(super) fn asleep(self, llm: &str) -> Self {
        self.llm_with(llm, |provider| provider.initial_status = Status::Hibernating)
    }

    pub(super) fn llm_with(mut self, llm: &str, change: impl FnOnce(&mut Provider)) -> Self {
        let mut provider = Provider::new(fresh(), name(llm), "openai", "m");
        change(&mut provider);
        self.providers.push(provider);
        self
    }

    pub(super) fn agent(self, agent: &str, llm: &str) -> Self {
        self.agent_with(agent, llm, |_| {})
    }

    pub(super) fn agent_with(mut self, agent: &str, llm: &str, change: impl FnOnce(&mut AgentEntry)) -> Self {
        let mut entry = AgentEntry::new(fresh(), name(agent), name(llm));
        change(&mut entry);
        self.agents.push(entry);
        self
    }
}

impl From<Register> for Command {
    fn from(register: Register) -> Self {
        Self::Register(register)
    }
}

pub(super) fn connect(session: &str) -> Command {
    connect_to(session, &ann(), NODE, BOOT)
}

pub(super) fn connect_to(session: &str, user: &User, node: &str, boot_id: Uuid) -> Command {
    let node = node.to_owned();
    Command::Connect(Connect { session: id(session), user: user.id, node, boot_id, transport: Transport::Sse })
}

pub(super) fn disconnect(session: &str, epoch: u64) -> Command {
    Command::Disconnect(Disconnect { session: id(session), epoch, cause: StreamEnd::Closed })
}

pub(super) fn close_boots(node: Option<&str>, living_boot: Uuid) -> Command {
    Command::CloseBoots(CloseBoots { node: node.map(str::to_owned), living_boot })
}

pub(super) fn deactivate(session: &str, epoch: u64) -> Command {
    let last_heartbeat_at = Some(start());
    Command::Deactivate(Deactivate { session: id(session), epoch, cause: Cause::Disconnected, last_heartbeat_at })
}

pub(super) fn revive(session: &str, user: &User) -> Command {
    Command::Revive(Revive { session: id(session), user: user.id, cause: Cause::Heartbeat })
}

pub(super) fn expire(session: &str) -> Command {
    let cutoff = start().plus(Duration::from_secs(1));
    Command::Expire(Expire { session: id(session), last_heartbeat_at: start(), cutoff, sweep_id: SWEEP })
}

pub(super) fn retention(names: &[&str], cutoff: LogTime) -> Retention {
    Retention { names: names.iter().copied().map(name).collect(), cutoff, sweep_id: SWEEP }
}

pub(super) fn suspend(until: LogTime) -> Command {
    let reason = "mass_silence".to_owned();
    Command::SuspendExpiry(SuspendExpiry { reason, stale_sessions: 10, sessions: 12, until, sweep_id: SWEEP })
}

pub(super) fn wake(id: Uuid, llm: &str, outcome: WakeOutcome) -> Command {
    Command::Wake(Wake { llm: id, name: name(llm), latency_ms: 7, outcome })
}

pub(super) fn public_llm() -> LlmDefinition {
    LlmDefinition {
        type_: "openai".to_owned(),
        model: "gpt".to_owned(),
        url: Some("https://models.example".to_owned()),
        tier: None,
        description: None,
        pool_name: None,
        api_key_ref: None,
        extra_config: None,
        max_concurrent: None,
        max_wait_seconds: None,
        labels: Labels::new(),
    }
}

pub(super) fn public_agent(llm: &str) -> AgentDefinition {
    AgentDefinition {
        description: None,
        system_prompt: None,
        llm: Pin { id: None, name: name(llm) },
        project: None,
        default_personality: None,
        proxy_model_name: None,
        default_params: None,
        extras: None,
        labels: Labels::new(),
    }
}

/// Somebody who may do everything by hand.
pub(super) fn admin() -> Hand {
    Hand { user: bob().id, reach: Reach::All }
}

pub(super) fn delete_llm(llm: &str) -> Command {
    Command::DeleteLlm(DeleteRow { name: name(llm), by: admin() })
}

pub(super) fn delete_agent(agent: &str) -> Command {
    Command::DeleteAgent(DeleteRow { name: name(agent), by: admin() })
}

pub(super) fn create_llm(llm: &str, definition: LlmDefinition) -> Command {
    Command::CreateLlm(Create { id: fresh(), name: name(llm), owner: bob().id, definition })
}

pub(super) fn create_agent(agent: &str, definition: AgentDefinition) -> Command {
    Command::CreateAgent(Create { id: fresh(), name: name(agent), owner: bob().id, definition })
}

pub(super) fn put_llm(llm: &str, if_match: Option<u64>, definition: LlmDefinition) -> Command {
    Command::PutLlm(Put { name: name(llm), by: admin(), if_match, definition })
}

pub(super) fn put_agent(agent: &str, if_match: Option<u64>, definition: AgentDefinition) -> Command {
    Command::PutAgent(Put { name: name(agent), by: admin(), if_match, definition })
}

pub(super) fn switch(row: &str, disabled: bool) -> Switch {
    Switch { name: name(row), disabled }
}

pub(super) fn issue(token: &str, user: &str, secret: &str) -> Command {
    Command::IssueToken(IssueToken {
        id: fresh(),
        name: name(token),
        user: name(user),
        user_id: fresh(),
        role: Role::Publisher,
        sha256: Hash::of(secret.as_bytes()),
        expires_at: None,
        replaces: true,
    })
}

pub(super) fn issue_new(token: &str, role: Role) -> Command {
    let Command::IssueToken(issue) = issue(token, token, token) else { unreachable!("it is one") };
    Command::IssueToken(IssueToken { role, replaces: false, ..issue })
}

/// Kinds of documents, each with its own commands.
pub(super) trait ByName: Sized {
    fn create(create: Create<Self>) -> Command;
    fn put(put: Put<Self>) -> Command;
}

macro_rules! by_name {
    ($definition:ident, $create:ident, $put:ident) => {
        impl ByName for $definition {
            fn create(create: Create<Self>) -> Command {
                Command::$create(create)
            }
            fn put(put: Put<Self>) -> Command {
                Command::$put(put)
            }
        }
    };
}
by_name!(ProjectDefinition, CreateProject, PutProject);
by_name!(PersonalityDefinition, CreatePersonality, PutPersonality);
by_name!(PromptDefinition, CreatePrompt, PutPrompt);

pub(super) fn create_document(document: &str, definition: impl ByName) -> Command {
    ByName::create(Create { id: fresh(), name: name(document), owner: bob().id, definition })
}

pub(super) fn put_document(document: &str, if_match: Option<u64>, definition: impl ByName) -> Command {
    ByName::put(Put { name: name(document), by: admin(), if_match, definition })
}

pub(super) fn personality(agent: &str) -> PersonalityDefinition {
    PersonalityDefinition { agent: name(agent), description: None }
}

pub(super) fn prompt(owner: PromptOwner) -> PromptDefinition {
    PromptDefinition { content: "Be brief.".to_owned(), priority: 0, owner }
}
