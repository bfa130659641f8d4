//! The words that commands are about.

use clap::ValueEnum;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Noun {
    /// Personas to chat with
    #[value(alias = "agent")]
    Agents,
    /// Models that can be called
    #[value(alias = "llm")]
    Llms,
    /// What agents work on together: prompts and tools
    #[value(alias = "project")]
    Projects,
    /// Manners that agents can speak in
    #[value(alias = "personality")]
    Personalities,
    /// Texts that join the system prompt
    #[value(alias = "prompt")]
    Prompts,
    /// Publishers, and what they are busy with
    #[value(alias = "session")]
    Sessions,
    /// Calls that are answered later
    #[value(alias = "task")]
    Tasks,
    /// Conversations with one agent
    #[value(alias = "thread")]
    Threads,
    /// What happened, oldest first
    #[value(alias = "event")]
    Events,
}

/// What has a status and can be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowNoun {
    /// A persona on a model
    #[value(alias = "agents")]
    Agent,
    /// A model that can be called
    #[value(alias = "llms")]
    Llm,
}

/// What can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deletable {
    /// A persona on a model: its personalities and prompts go too
    #[value(alias = "agents")]
    Agent,
    /// A model that can be called: publishers' agents on it go too
    #[value(alias = "llms")]
    Llm,
    /// What agents work on together: its prompts go too, its agents stay
    #[value(alias = "projects")]
    Project,
    /// A manner that an agent can speak in: its prompts go too
    #[value(alias = "personalities")]
    Personality,
    /// A text that joins the system prompt
    #[value(alias = "prompts")]
    Prompt,
    /// A conversation with an agent
    #[value(alias = "threads")]
    Thread,
    /// A call that is answered later: it is cancelled
    #[value(alias = "tasks")]
    Task,
}

impl Noun {
    /// The word for one.
    pub fn word(self) -> &'static str {
        match self {
            Noun::Agents => "agent",
            Noun::Llms => "llm",
            Noun::Projects => "project",
            Noun::Personalities => "personality",
            Noun::Prompts => "prompt",
            Noun::Sessions => "session",
            Noun::Tasks => "task",
            Noun::Threads => "thread",
            Noun::Events => "event",
        }
    }

    /// The word for the list in paths.
    pub fn list(self) -> &'static str {
        match self {
            Noun::Agents => "agents",
            Noun::Llms => "llms",
            Noun::Projects => "projects",
            Noun::Personalities => "personalities",
            Noun::Prompts => "prompts",
            Noun::Sessions => "sessions",
            Noun::Tasks => "inference-tasks",
            Noun::Threads => "threads",
            Noun::Events => "events",
        }
    }
}

impl RowNoun {
    /// The word for one.
    pub fn word(self) -> &'static str {
        Noun::from(self).word()
    }

    /// The word for the list, also in paths.
    pub fn list(self) -> &'static str {
        Noun::from(self).list()
    }
}

impl From<RowNoun> for Noun {
    fn from(noun: RowNoun) -> Self {
        match noun {
            RowNoun::Agent => Noun::Agents,
            RowNoun::Llm => Noun::Llms,
        }
    }
}

impl From<Deletable> for Noun {
    fn from(noun: Deletable) -> Self {
        match noun {
            Deletable::Agent => Noun::Agents,
            Deletable::Llm => Noun::Llms,
            Deletable::Project => Noun::Projects,
            Deletable::Personality => Noun::Personalities,
            Deletable::Prompt => Noun::Prompts,
            Deletable::Thread => Noun::Threads,
            Deletable::Task => Noun::Tasks,
        }
    }
}

/// What is described by a document: made, edited and applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Documented {
    /// A persona on a model
    #[value(alias = "agents")]
    Agent,
    /// A model that can be called
    #[value(alias = "llms")]
    Llm,
    /// What agents work on together: prompts and tools
    #[value(alias = "projects")]
    Project,
    /// A manner that an agent can speak in
    #[value(alias = "personalities")]
    Personality,
    /// A text that joins the system prompt
    #[value(alias = "prompts")]
    Prompt,
}

impl From<Documented> for Noun {
    fn from(noun: Documented) -> Self {
        match noun {
            Documented::Agent => Noun::Agents,
            Documented::Llm => Noun::Llms,
            Documented::Project => Noun::Projects,
            Documented::Personality => Noun::Personalities,
            Documented::Prompt => Noun::Prompts,
        }
    }
}

impl TryFrom<Deletable> for RowNoun {
    type Error = ();

    fn try_from(noun: Deletable) -> Result<Self, ()> {
        match noun {
            Deletable::Agent => Ok(RowNoun::Agent),
            Deletable::Llm => Ok(RowNoun::Llm),
            _ => Err(()),
        }
    }
}

/// How a row came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Reached by URL from the server
    Public,
    /// Published, and reached only through its publisher
    Virtual,
}

/// How a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Status {
    /// Can be called while it is connected
    Active,
    /// Its publisher is gone
    Inactive,
    /// Published, but asleep
    Hibernating,
}

/// Shells that completions are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// Fish
    Fish,
}

/// The word that a flag's value has on the wire.
pub fn word(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|v| v.get_name().to_owned())
}
