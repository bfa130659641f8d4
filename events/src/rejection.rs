//! Why a command is refused. Nothing was changed then.

use crate::{
    access::Grant,
    name::{Name, SessionId},
};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A refusal, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// No such session; its publisher has to register again.
    #[error("provider session not found: {0}; register again")]
    SessionNotFound(SessionId),
    /// The session belongs to somebody else.
    #[error("provider session {0} belongs to another user")]
    SessionOfAnotherUser(SessionId),
    /// A publisher may not take a public name.
    #[error("Cannot publish over public {title}: {name}")]
    PublicRow {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
    },
    /// Another session publishes the name right now.
    #[error(
        "Virtual {title} '{name}' is already active under a different session; publish it under another name, and give \
         both the same `poolName` if they serve the same model"
    )]
    ActiveElsewhere {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
    },
    /// The row belongs to another user.
    #[error("Virtual {title} '{name}' belongs to another user; publish under another name")]
    OwnedByAnother {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
    },
    /// The row is none of whoever would delete it or make it public.
    #[error(
        "virtual {title} '{name}' belongs to another user: only they, admins, and whom an admin grants it, delete it or make it public"
    )]
    NotYours {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
    },
    /// A publisher may delete what it publishes.
    #[error("{title} '{name}' is public: editors and admins delete it")]
    ForEditors {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
    },
    /// No such Llm, nor a pool.
    #[error("Llm not found: {0}")]
    LlmNotFound(Name),
    /// No such agent.
    #[error("Agent not found: {0}")]
    AgentNotFound(Name),
    /// No such project.
    #[error("Project not found: {0}")]
    ProjectNotFound(Name),
    /// No such document.
    #[error("{title} not found: {name}")]
    DocumentNotFound {
        /// `Personality`, `Prompt`, …
        #[serde(deserialize_with = "word")]
        title: Word,
        /// Its name.
        name: Name,
    },
    /// A personality is one agent's own.
    #[error("Personality '{personality}' belongs to agent '{agent}'")]
    PersonalityOfAnother {
        /// The personality.
        personality: Name,
        /// Whose it is.
        agent: Name,
    },
    /// Nobody could let anybody in without it.
    #[error("Token '{0}' is the last one with role admin that does not end; make another one first")]
    LastAdmin(Name),
    /// Nobody has a token of this user.
    #[error(
        "User not found: {0}; a user is made with the first token of that name: mcpctl token create --name {0} --role viewer"
    )]
    UserNotFound(Name),
    /// A user has no such grant.
    #[error("user '{user}' has no grant `{grant}`; `mcpctl auth grants` lists what there is")]
    GrantNotFound {
        /// The user.
        user: Name,
        /// The grant.
        grant: Grant,
    },
    /// A user has so many grants that they are no longer looked through.
    #[error("user '{user}' has {limit} grants, the most there may be; a glob grants many names at once")]
    TooManyGrants {
        /// The user.
        user: Name,
        /// How many there may be.
        limit: usize,
    },
    /// The name is taken.
    #[error("{title} '{name}' already exists")]
    NameTaken {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
    },
    /// Somebody else changed the row first.
    #[error("{title} '{name}' is at version {found}, not {expected}; read it again and repeat the change")]
    VersionConflict {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
        /// The version of `If-Match`.
        expected: u64,
        /// The version it has.
        found: u64,
    },
    /// A live virtual row is its publisher's to change.
    #[error("Virtual {title} '{name}' is {status} and defined by its publisher; change it there, or stop it first")]
    DefinedByPublisher {
        /// `Llm` or `Agent`.
        #[serde(deserialize_with = "word")]
        title: Word,
        /// The row.
        name: Name,
        /// `active` or `hibernating`.
        #[serde(deserialize_with = "word")]
        status: Word,
    },
    /// Public agents would lose their Llm.
    #[error("Llm '{llm}' is used by public agents: {}; pin them to another Llm or delete them first", join(.agents))]
    PinnedByPublicAgents {
        /// The Llm.
        llm: Name,
        /// The agents.
        agents: Vec<Name>,
    },
    /// Entries of a declaration; the words are those of the first.
    #[error("{}", first(.0))]
    Entries(Vec<Refused>),
    /// A session or a user would have more rows than the server allows.
    #[error("the {of} would have {found} rows, more than the {limit} that {flag} allows; delete some, or raise it")]
    TooManyRows {
        /// `session` or `user`.
        #[serde(deserialize_with = "word")]
        of: Word,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        limit: usize,
        /// The flag that says so.
        #[serde(deserialize_with = "word")]
        flag: Word,
    },
    /// One record may hold 900 KB.
    #[error("the change is {bytes} bytes on the log, more than the {limit} that one change may have; split it")]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// An entry of a declaration that is in the way of all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// JSON pointer to the value at fault, as in `/agents/0/llmName`.
    pub pointer: String,
    /// Why.
    pub reason: Rejection,
}

fn first(refused: &[Refused]) -> String {
    refused.first().map(|refused| refused.reason.to_string()).unwrap_or_default()
}

fn join(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// A word of this version.
pub type Word = &'static str;

/// The words that a refusal is made of. One that a newer version made and this one has no words for cannot be read.
const WORDS: [Word; 12] = [
    "Llm",
    "Agent",
    "Project",
    "Personality",
    "Prompt",
    "Token",
    "active",
    "hibernating",
    "session",
    "user",
    "--max-rows-per-session",
    "--max-rows-per-user",
];

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = WORDS.into_iter().find(|word| *word == text);
    known.ok_or_else(|| de::Error::custom(format!("a refusal has no word `{text}`")))
}
