//! What may be asked of the registry. Ids and times come in with the command: a decision invents nothing.
//!
//! As JSON, a command goes from the replica where it was asked for to the one that leads, and nowhere else.

use crate::{
    access::Grant,
    definition::{
        AgentDefinition, Labels, LlmDefinition,
        document::{PersonalityDefinition, ProjectDefinition, PromptDefinition},
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
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A wish that [`decide`](crate::decide::decide) turns into events, or refuses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// A publisher declares all that it publishes.
    Register(Register),
    /// A stream was opened.
    Connect(Connect),
    /// A stream ended.
    Disconnect(Disconnect),
    /// Boots that are over no longer hold any stream.
    CloseBoots(CloseBoots),
    /// The disconnect grace of a session is over.
    Deactivate(Deactivate),
    /// A session was heard: its inactive rows come back.
    Revive(Revive),
    /// A model that slept was woken, or could not be.
    Wake(Wake),
    /// A session was silent for too long.
    Expire(Expire),
    /// Agents were inactive for too long.
    DeleteExpiredAgents(Retention),
    /// An Llm was inactive for too long.
    DeleteExpiredLlm(Retention),
    /// Too much is silent at once: wait before believing it.
    SuspendExpiry(SuspendExpiry),
    /// The wait is over.
    ResumeExpiry {
        /// The sweep that goes on.
        sweep_id: Uuid,
    },
    /// A person creates a public Llm.
    CreateLlm(Create<LlmDefinition>),
    /// A person creates a public agent.
    CreateAgent(Create<AgentDefinition>),
    /// A person replaces an Llm's definition.
    PutLlm(Put<LlmDefinition>),
    /// A person replaces an agent's definition.
    PutAgent(Put<AgentDefinition>),
    /// A person deletes an Llm.
    DeleteLlm(DeleteRow),
    /// A person deletes an agent.
    DeleteAgent(DeleteRow),
    /// A person pauses an Llm, or ends the pause.
    SwitchLlm(Switch),
    /// A person pauses an agent, or ends the pause.
    SwitchAgent(Switch),
    /// A person creates a project.
    CreateProject(Create<ProjectDefinition>),
    /// A person creates a personality.
    CreatePersonality(Create<PersonalityDefinition>),
    /// A person creates a prompt.
    CreatePrompt(Create<PromptDefinition>),
    /// A person replaces a project's definition.
    PutProject(Put<ProjectDefinition>),
    /// A person replaces a personality's definition.
    PutPersonality(Put<PersonalityDefinition>),
    /// A person replaces a prompt's definition.
    PutPrompt(Put<PromptDefinition>),
    /// A person deletes a project.
    DeleteProject(Name),
    /// Takes agents out of a project, as many as one record holds.
    EmptyProject(Name),
    /// A person deletes a personality.
    DeletePersonality(Name),
    /// A person deletes a prompt.
    DeletePrompt(Name),
    /// A token is made.
    IssueToken(IssueToken),
    /// A token stops working.
    RevokeToken(Name),
    /// A user may do something more.
    Grant(GrantTo),
    /// A user may no longer do that.
    Withdraw(GrantTo),
}

/// The user behind a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique name.
    pub name: Name,
}

/// A session's full declaration. Optional fields that are `None` keep the row's old value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Register {
    /// The session; an unknown one is taken as it is.
    pub session: SessionId,
    /// Who registers.
    pub user: User,
    /// The models.
    pub providers: Vec<Provider>,
    /// The agents.
    pub agents: Vec<AgentEntry>,
}

/// One model of a [`Register`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provider {
    /// Used if the name is new.
    pub id: Uuid,
    /// Name in the registry.
    pub name: Name,
    /// Kind of model server.
    pub type_: String,
    /// Name at the model server.
    pub model: String,
    /// A free word.
    pub tier: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
    /// Pool that shares calls.
    pub pool_name: Option<Name>,
    /// Kept as it is.
    pub extra_config: Option<Json>,
    /// Active, or hibernating.
    pub initial_status: Status,
    /// Calls that may be open at once.
    pub max_concurrent: Option<u32>,
    /// Longest wake, in seconds.
    pub max_wait_seconds: Option<u32>,
    /// Labels for selectors.
    pub labels: Option<Labels>,
}

impl Provider {
    /// Says the least there is to say.
    pub fn new(id: Uuid, name: Name, type_: &str, model: &str) -> Self {
        Self {
            id,
            name,
            type_: type_.to_owned(),
            model: model.to_owned(),
            tier: None,
            description: None,
            pool_name: None,
            extra_config: None,
            initial_status: Status::Active,
            max_concurrent: None,
            max_wait_seconds: None,
            labels: None,
        }
    }
}

/// One agent of a [`Register`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgentEntry {
    /// Used if the name is new.
    pub id: Uuid,
    /// Name in the registry.
    pub name: Name,
    /// The Llm or pool that it is pinned to.
    pub llm_name: Name,
    /// A sentence for people.
    pub description: Option<String>,
    /// The persona.
    pub system_prompt: Option<String>,
    /// Its project; `None` clears it.
    pub project: Option<Name>,
    /// Sampling defaults.
    pub default_params: Option<Json>,
    /// Kept as it is.
    pub extras: Option<Json>,
    /// Labels for selectors.
    pub labels: Option<Labels>,
}

impl AgentEntry {
    /// Says the least there is to say.
    pub fn new(id: Uuid, name: Name, llm_name: Name) -> Self {
        Self {
            id,
            name,
            llm_name,
            description: None,
            system_prompt: None,
            project: None,
            default_params: None,
            extras: None,
            labels: None,
        }
    }
}

/// A stream was opened; it supersedes the one before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connect {
    /// The session.
    pub session: SessionId,
    /// Who opened it.
    pub user: Uuid,
    /// URL of the server process.
    pub node: String,
    /// Start of that process.
    pub boot_id: Uuid,
    /// Stream or long-poll.
    pub transport: Transport,
}

/// A stream ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Disconnect {
    /// The session.
    pub session: SessionId,
    /// Number of the stream; an older one changes nothing.
    pub epoch: u64,
    /// Why.
    pub cause: StreamEnd,
}

/// Ends the streams of boots that are over, [a record's worth](crate::record::MAX_EVENTS_OF_A_MASS_CHANGE) at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloseBoots {
    /// Boots of this node only; `None`: of any node.
    pub node: Option<String>,
    /// The boot that is running.
    pub living_boot: Uuid,
}

/// Makes the rows of a session without a stream inactive, a record's worth at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deactivate {
    /// The session.
    pub session: SessionId,
    /// Only if this is still its last stream.
    pub epoch: u64,
    /// `disconnected` or `node_lost`.
    pub cause: Cause,
    /// When the session was last heard.
    pub last_heartbeat_at: Option<LogTime>,
}

/// Brings the inactive rows of a session back, a record's worth at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revive {
    /// The session.
    pub session: SessionId,
    /// Who was heard.
    pub user: Uuid,
    /// `heartbeat` or `reconnected`.
    pub cause: Cause,
}

/// How the wake of a hibernating Llm went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wake {
    /// The Llm.
    pub llm: Uuid,
    /// Its name.
    pub name: Name,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// How it ended.
    pub outcome: WakeOutcome,
}

/// How a wake ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WakeOutcome {
    /// The model is up.
    Woken,
    /// It is still asleep, for this reason.
    Failed(String),
}

/// Makes the rows of a silent session inactive, a record's worth at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Expire {
    /// The session.
    pub session: SessionId,
    /// Evidence: when it was last heard.
    pub last_heartbeat_at: LogTime,
    /// Evidence: what is older is stale.
    pub cutoff: LogTime,
    /// The sweep that found it.
    pub sweep_id: Uuid,
}

/// Deletes rows that were inactive since before the cutoff; each is checked again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Retention {
    /// The rows; exactly one for an Llm.
    pub names: Vec<Name>,
    /// Rows inactive since this time or earlier go.
    pub cutoff: LogTime,
    /// The sweep that found them.
    pub sweep_id: Uuid,
}

/// Suspends expiry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SuspendExpiry {
    /// `mass_silence` or `clock_step`.
    pub reason: String,
    /// Sessions that newly went silent.
    pub stale_sessions: u64,
    /// Sessions that there are.
    pub sessions: u64,
    /// When expiry goes on.
    pub until: LogTime,
    /// The sweep that found it.
    pub sweep_id: Uuid,
}

/// Creates a public row, or a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Create<D> {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
    /// Its owner.
    pub owner: Uuid,
    /// What it is; an agent's pin is looked up by name.
    pub definition: D,
}

/// Replaces a definition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Put<D> {
    /// The row.
    pub name: Name,
    /// Who replaces it.
    pub by: Hand,
    /// Only if this is its version.
    pub if_match: Option<u64>,
    /// All of its new definition; an agent's pin is looked up by name.
    pub definition: D,
}

/// Deletes a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteRow {
    /// The row.
    pub name: Name,
    /// Who deletes it.
    pub by: Hand,
}

/// Whoever does something by hand. Public rows are everybody's who may edit; virtual ones belong to their user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// The user.
    pub user: Uuid,
    /// What they may do.
    pub reach: Reach,
}

/// Whose virtual rows somebody may delete or make public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Their own, and no public rows either.
    Own,
    /// Their own, and public rows.
    Public,
    /// Everybody's.
    All,
}

/// Pauses a row or ends the pause.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Switch {
    /// The row.
    pub name: Name,
    /// Paused or not.
    pub disabled: bool,
}

/// What a user may do, besides what their roles allow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantTo {
    /// The user.
    pub user: Name,
    /// What.
    pub grant: Grant,
}

/// Makes a token, and its user if that is new.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssueToken {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
    /// Its user.
    pub user: Name,
    /// Used if the user is new.
    pub user_id: Uuid,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret.
    pub sha256: Hash,
    /// When it stops working.
    pub expires_at: Option<LogTime>,
    /// Whether a token of the same name stops working; else it is in the way.
    pub replaces: bool,
}
