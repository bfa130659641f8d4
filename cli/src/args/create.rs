//! The flags of `create`.

use crate::chat::options::pair;
use crate::completions;
use crate::label::Change;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use serde_json::Value;
use std::path::PathBuf;

/// Kinds of model servers that have a name here; any other one is called in the same way.
pub const TYPES: [&str; 5] = ["openai", "vllm", "ollama", "lmstudio", "llamacpp"];

/// What to make.
#[derive(Subcommand)]
pub enum Create {
    /// Make an Llm that the server reaches by its URL
    #[command(after_help = "\
Examples:
  mcpctl create llm gpt --type openai --model gpt-4.1 \\
    --url https://api.openai.com/v1 --key-env OPENAI_API_KEY
  mcpctl create llm qwen --type vllm --model Qwen/Qwen3-8B \\
    --url http://gpu-1:8000/v1 --pool qwen -l team=red")]
    Llm(Llm),
    /// Make an agent: a persona on an Llm or a pool
    #[command(after_help = "\
Examples:
  mcpctl create agent reviewer --llm qwen --system 'You review code.'
  mcpctl create agent reviewer --llm qwen --system-file reviewer.md -p top_k=4")]
    Agent(Agent),
    /// Make a project: what agents work on together
    #[command(after_help = "\
Examples:
  mcpctl create project apollo --description 'The lander'")]
    Project(Project),
    /// Make a personality: a manner that an agent can speak in
    #[command(after_help = "\
Examples:
  mcpctl create personality pirate --agent reviewer")]
    Personality(Personality),
    /// Make a prompt: a text that joins the system prompt of an agent, a project's agents, or a personality
    #[command(after_help = "\
Examples:
  mcpctl create prompt house-style --project apollo --content 'Be brief.'
  mcpctl create prompt talk --personality pirate --content-file talk.md")]
    Prompt(Prompt),
}

/// Flags of `create llm`.
#[derive(Args)]
pub struct Llm {
    /// Its name
    pub name: String,
    /// Kind of server, such as openai, vllm, ollama, lmstudio or llamacpp
    #[arg(long = "type", value_name = "TYPE", add = ArgValueCompleter::new(completions::types))]
    pub type_: String,
    /// The model's name at that server
    #[arg(long, value_name = "MODEL")]
    pub model: String,
    /// Address of the server's API
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// What it is good for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A word for how large or fast it is
    #[arg(long, value_name = "TIER")]
    pub tier: Option<String>,
    /// Llms of one pool stand in for each other
    #[arg(long, value_name = "NAME")]
    pub pool: Option<String>,
    /// Environment variable of the server's that holds the key
    #[arg(long, value_name = "VARIABLE", conflicts_with = "key_file")]
    pub key_env: Option<String>,
    /// File on the server's machine that holds the key
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
    /// Most calls at once
    #[arg(long, value_name = "N")]
    pub max_concurrent: Option<u64>,
    /// A label (repeatable)
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Change>,
}

/// Flags of `create agent`.
#[derive(Args)]
pub struct Agent {
    /// Its name
    pub name: String,
    /// The Llm, or the pool, that speaks for it
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::llms))]
    pub llm: String,
    /// What it is told first
    #[arg(long, value_name = "TEXT", conflicts_with = "system_file", allow_hyphen_values = true)]
    pub system: Option<String>,
    /// Read that from a file; - for stdin
    #[arg(long, value_name = "FILE")]
    pub system_file: Option<PathBuf>,
    /// What it is good for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// The project that it works on
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::projects))]
    pub project: Option<String>,
    /// A parameter of each call, such as temperature=0.2 (repeatable); V is JSON if it parses, else a string
    #[arg(short, long = "param", value_name = "K=V", value_parser = pair)]
    pub params: Vec<(String, Value)>,
    /// A label (repeatable)
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Change>,
}

/// Flags of `create project`.
#[derive(Args)]
pub struct Project {
    /// Its name
    pub name: String,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// Flags of `create personality`.
#[derive(Args)]
pub struct Personality {
    /// Its name
    pub name: String,
    /// Whose it is
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::agents))]
    pub agent: String,
    /// What it is like
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// Flags of `create prompt`.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("owner").required(true).args(["agent", "project", "personality"]))]
#[command(group = clap::ArgGroup::new("text").required(true).args(["content", "content_file"]))]
pub struct Prompt {
    /// Its name
    pub name: String,
    /// It joins this agent's system prompt
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::agents))]
    pub agent: Option<String>,
    /// It joins those of this project's agents
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::projects))]
    pub project: Option<String>,
    /// It joins them where this personality speaks
    #[arg(long, value_name = "NAME")]
    pub personality: Option<String>,
    /// The text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub content: Option<String>,
    /// Read the text from a file; - for stdin
    #[arg(long, value_name = "FILE")]
    pub content_file: Option<PathBuf>,
    /// Higher ones come first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub priority: i64,
}
