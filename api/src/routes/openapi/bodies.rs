//! The bodies of requests, for the API's document alone: what comes is read field by field, so that all that is wrong with
//! it is found at once.
#![expect(dead_code, reason = "only described")]

use super::values::{
    CallResource, CallVerb, Count, EditVerb, GrantKind, Lasts, Name, Resource, RowKind, SessionId, Text, Url, Variable,
};
use mcpctl_events::event::token::Role;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where the server reads a secret: one of its environment variables.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FromEnv {
    env: Text,
}

/// Where the server reads a secret: one of its files.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FromFile {
    file: Text,
}

/// Where the server reads a secret when it needs it; only admins say so.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Place {
    /// A variable.
    Env(FromEnv),
    /// A file.
    File(FromFile),
}

macro_rules! with_and_without_name {
    ($(#[$doc:meta])* $new:ident, $replaced:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $new {
            /// Unique among its kind.
            name: Name,
            $($(#[$field_doc])* $field: $type,)+
        }

        $(#[$doc])*
        ///
        /// A field that is left out returns to its default. The name cannot be changed.
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $replaced {
            $($(#[$field_doc])* $field: $type,)+
        }
    };
}

with_and_without_name! {
    /// A public Llm.
    NewLlm, ReplacedLlm {
        /// Kind of model server: `openai`, `vllm`, …
        #[serde(rename = "type")]
        type_: Text,
        /// Name at the model server.
        model: Text,
        /// Its base URL.
        url: Url,
        /// A free word.
        tier: Option<String>,
        /// A sentence for people.
        description: Option<String>,
        /// The pool that it shares calls with.
        pool_name: Option<Name>,
        /// The key that its server wants.
        api_key_ref: Option<Place>,
        /// Kept as it is; a key that looks like a secret is refused.
        extra_config: Option<Map<String, Value>>,
        /// Calls that may be open at once.
        max_concurrent: Option<Count>,
        /// For selectors.
        labels: Option<BTreeMap<String, String>>,
    }
}

/// An Llm or a pool, by name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    name: Name,
}

/// What an agent is pinned to.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Pin {
    /// By name.
    Name(Name),
    /// The same.
    Named(Named),
}

with_and_without_name! {
    /// A public agent.
    NewAgent, ReplacedAgent {
        /// What it is pinned to.
        llm: Pin,
        /// A sentence for people.
        description: Option<String>,
        /// The persona.
        system_prompt: Option<String>,
        /// Its project.
        project: Option<Name>,
        /// The manner that it speaks in unless another is asked for.
        default_personality: Option<Name>,
        /// Kept as it is.
        proxy_model_name: Option<String>,
        /// Sampling defaults, in the model API's own spelling; members of `extra` go to the request's top level.
        default_params: Option<Params>,
        /// Kept as it is.
        extras: Option<Map<String, Value>>,
        /// For selectors.
        labels: Option<BTreeMap<String, String>>,
    }
}

/// Parameters of a model's API.
#[derive(Deserialize, ToSchema)]
pub struct Params {
    /// What goes to the request's top level.
    extra: Option<Map<String, Value>>,
}

/// An MCP server at a URL.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpServer {
    name: Name,
    url: Url,
}

/// The value of a variable.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ServerVariable {
    /// As it is; where the variable looks like a secret's, it is refused.
    Text(String),
    /// From somewhere of the server.
    Place(Place),
}

/// An MCP server that the server starts; only admins say so.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramServer {
    name: Name,
    command: Text,
    args: Option<Vec<String>>,
    env: Option<BTreeMap<Variable, ServerVariable>>,
}

/// One of a project's MCP servers.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ProjectServer {
    /// At a URL.
    Http(HttpServer),
    /// A program.
    Program(ProgramServer),
}

with_and_without_name! {
    /// A project.
    NewProject, ReplacedProject {
        /// A sentence for people.
        description: Option<String>,
        /// Its tools; each name is there once.
        #[schema(max_items = 32)]
        mcp_servers: Option<Vec<ProjectServer>>,
    }
}

with_and_without_name! {
    /// A personality of an agent.
    NewPersonality, ReplacedPersonality {
        /// Whose it is.
        agent: Name,
        /// A sentence for people.
        description: Option<String>,
    }
}

with_and_without_name! {
    /// A prompt of an agent.
    NewAgentPrompt, ReplacedAgentPrompt {
        /// Its text.
        content: Text,
        /// High comes first.
        priority: Option<i32>,
        /// Whose it is.
        agent: Name,
    }
}

with_and_without_name! {
    /// A prompt of a project.
    NewProjectPrompt, ReplacedProjectPrompt {
        /// Its text.
        content: Text,
        /// High comes first.
        priority: Option<i32>,
        /// Whose it is.
        project: Name,
    }
}

with_and_without_name! {
    /// A prompt of a personality.
    NewPersonalityPrompt, ReplacedPersonalityPrompt {
        /// Its text.
        content: Text,
        /// High comes first.
        priority: Option<i32>,
        /// Whose it is.
        personality: Name,
    }
}

/// A prompt; it has exactly one owner.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum NewPrompt {
    /// Of an agent.
    Agent(NewAgentPrompt),
    /// Of a project.
    Project(NewProjectPrompt),
    /// Of a personality.
    Personality(NewPersonalityPrompt),
}

/// A prompt; it has exactly one owner.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ReplacedPrompt {
    /// Of an agent.
    Agent(ReplacedAgentPrompt),
    /// Of a project.
    Project(ReplacedProjectPrompt),
    /// Of a personality.
    Personality(ReplacedPersonalityPrompt),
}

/// A token that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// Unique among tokens.
    name: Name,
    /// What it may do.
    role: Role,
    /// The user that it stands for; the token's name if it is left out.
    user: Option<Name>,
    /// When it stops working; never if it is left out.
    expires_in: Option<Lasts>,
}

/// A grant to edit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditGrant {
    user: Name,
    verb: EditVerb,
    resource: Resource,
}

/// A grant to call, or to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallGrant {
    user: Name,
    verb: CallVerb,
    resource: CallResource,
}

/// A grant that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum GrantRequest {
    /// To edit.
    Edit(EditGrant),
    /// To call, or to be called.
    Call(CallGrant),
}

/// A model request in OpenAI's shape; what is not named here passes as it is.
#[derive(Deserialize, ToSchema)]
pub struct ModelRequest {
    /// Whether the answer is to be a stream.
    stream: Option<bool>,
}

/// The same, to a model by name.
#[derive(Deserialize, ToSchema)]
pub struct NamedModelRequest {
    /// An Llm, a pool, or `agent/<name>`.
    model: Text,
    /// Whether the answer is to be a stream.
    stream: Option<bool>,
}

/// Where at a model server.
#[derive(Deserialize, ToSchema)]
pub enum Path {
    /// Chat completions.
    #[serde(rename = "/v1/chat/completions")]
    Chat,
    /// Text completions.
    #[serde(rename = "/v1/completions")]
    Completions,
    /// Embeddings.
    #[serde(rename = "/v1/embeddings")]
    Embeddings,
    /// Responses.
    #[serde(rename = "/v1/responses")]
    Responses,
}

/// A call of an Llm that is answered later.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmTask {
    llm: Text,
    path: Option<Path>,
    request: ModelRequest,
}

/// A call of a pool that is answered later.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolTask {
    pool: Text,
    path: Option<Path>,
    request: ModelRequest,
}

/// A call that is answered later.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TaskRequest {
    /// Of an Llm.
    Llm(LlmTask),
    /// Of a pool.
    Pool(PoolTask),
}

/// Where a model that is declared stands.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InitialStatus {
    /// It can be called.
    Active,
    /// It sleeps, and can be woken.
    Hibernating,
}

/// A model that a publisher offers; what is not named here is passed over.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    name: Name,
    #[serde(rename = "type")]
    type_: Text,
    model: Text,
    tier: Option<String>,
    description: Option<String>,
    pool_name: Option<Name>,
    extra_config: Option<Map<String, Value>>,
    initial_status: Option<InitialStatus>,
    max_concurrent: Option<Count>,
    max_wait_seconds: Option<Count>,
    labels: Option<BTreeMap<String, String>>,
}

/// An agent that a publisher offers; what is not named here is passed over.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedAgent {
    name: Name,
    llm_name: Name,
    description: Option<String>,
    system_prompt: Option<String>,
    project: Option<Name>,
    default_params: Option<Params>,
    extras: Option<Map<String, Value>>,
    labels: Option<BTreeMap<String, String>>,
}

/// All that a publisher offers; it may also be agents alone.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    provider_session_id: Option<SessionId>,
    #[schema(min_items = 1)]
    providers: Vec<Provider>,
    agents: Option<Vec<PublishedAgent>>,
}

/// A sign of life.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    provider_session_id: SessionId,
}

/// Documents to try, each on top of those before it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// In the order in which they would be written: what others name comes before them.
    documents: Vec<Wish>,
}

/// A document to try, or a row to delete.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Wish {
    /// A document.
    Document(Document),
    /// A deletion.
    Deletion(Deletion),
}

/// A document to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is.
    kind: GrantKind,
    /// The body that would create it; what is wrong with that is in the answer.
    definition: Map<String, Value>,
}

/// A row to delete.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// What it is.
    kind: RowKind,
    /// Its name.
    delete: Name,
}
