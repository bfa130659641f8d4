//! The command line, as clap reads it.

pub mod audit;
pub mod auth;
mod bare;
pub mod context;
pub mod create;
mod documents;
mod noun;
pub mod selector;
pub mod token;

pub use documents::{Apply, Delete, Diff, Item, Label};
pub use noun::{Deletable, Documented, Kind, Noun, RowNoun, ShellName, Status, word};

use crate::chat::options::{AgentOptions, LlmOptions};
use crate::completions;
use crate::output::{self, Format, Output};
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::ArgValueCompleter;
use selector::Selector;
use std::ffi::OsString;
use std::path::PathBuf;

/// Lists, describes and talks to the models and agents of an mcpctl registry.
#[derive(Parser)]
#[command(
    name = "mcpctl",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  mcpctl dev                        start a registry here, with a demo agent
  mcpctl get agents                 list what can be chatted with
  mcpctl chat demo                  chat with an agent
  mcpctl chat demo -m 'hello'       ask once; the reply goes to stdout"
)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line; its first word is the program.
    ///
    /// # Errors
    /// Help and version come as errors too, for clap to print.
    pub fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        let mut command = Self::command().color(colour(words));
        let mut matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// Whether clap may colour help and errors, which it writes before any flag is settled.
fn colour(words: &[OsString]) -> ColorChoice {
    let no_color = words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--no-color");
    if output::colour_wanted(no_color) { ColorChoice::Auto } else { ColorChoice::Never }
}

/// Flags that every command takes.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Address of the server [else: MCPCTL_SERVER, else the credentials file]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Token for the server [else: MCPCTL_TOKEN, else the credentials file]
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Context to take them from [else: MCPCTL_CONTEXT, else the one in use; see `mcpctl context`]
    #[arg(long, global = true, value_name = "NAME", add = ArgValueCompleter::new(completions::contexts))]
    pub context: Option<String>,
    /// How to write the answer
    #[arg(short, long, global = true, default_value = "table", value_name = "table|wide|json|yaml|name|jsonpath=PATH",
        add = ArgValueCompleter::new(completions::formats))]
    pub output: Output,
    /// Write no colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Write nothing but answers and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Show on stderr what is asked of the server and what it answers, tokens masked
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Global {
    /// Flags that say which server is meant, and nothing else.
    pub fn quiet(server: Option<String>, token: Option<String>, context: Option<String>) -> Self {
        let output = Output { format: Format::Table, path: None };
        Self { server, token, context, output, no_color: true, quiet: true, verbose: false }
    }
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// List agents, llms, projects, sessions, tasks, threads and more, or get one
    #[command(after_help = "\
Examples:
  mcpctl get agents
  mcpctl get llms --status active -o wide
  mcpctl get agent local-coder -o yaml
  mcpctl get agents --as-of 2026-01-31T12:00:00Z
  mcpctl get agents -l team=red,gpu=a100   those that have both labels
  mcpctl get agents --watch                a live table; piped, a line a change
  mcpctl get sessions -o wide              publishers, and calls that wait
  mcpctl get threads --agent local-coder")]
    Get(Get),
    /// Show all there is to know about one agent, Llm, project, personality or prompt
    #[command(after_help = "\
Examples:
  mcpctl describe agent local-coder
  mcpctl describe llm vllm-local
  mcpctl describe project apollo            its tools, prompts and agents
  mcpctl describe llm vllm-local -o json    the row as the server has it")]
    Describe(Item),
    /// Chat with an agent
    #[command(after_help = "\
Examples:
  mcpctl chat local-coder                     a conversation; /help helps
  mcpctl chat local-coder -m 'explain this'   the reply goes to stdout
  git diff | mcpctl chat reviewer -m -        the message comes from stdin
  mcpctl chat local-coder < questions.txt     each line is a message
  mcpctl chat local-coder --thread ID -m more go on with a thread")]
    Chat(AgentOptions),
    /// Talk to an Llm directly, without an agent or a thread
    #[command(
        name = "chat-llm",
        after_help = "\
Examples:
  mcpctl chat-llm vllm-local -m 'hello'
  mcpctl chat-llm vllm-local --system 'Be terse.' --extra top_k=4
  mcpctl chat-llm vllm-local --async -m hello   later: mcpctl get task ID"
    )]
    ChatLlm(LlmOptions),
    /// Sweep now: expire silent publishers, delete what is long inactive
    #[command(after_help = "\
Examples:
  mcpctl gc
  mcpctl gc -o json")]
    Gc,
    /// Show whether the server is up and ready, and what it has
    #[command(after_help = "\
Examples:
  mcpctl status
  mcpctl status --server http://127.0.0.1:8420")]
    Status,
    /// List what happened, oldest first
    #[command(after_help = "\
Examples:
  mcpctl events --limit 20                  the newest 20
  mcpctl events -f --type 'agent.*'         agents, as it happens
  mcpctl events --subject agent/local-coder
  mcpctl events --type 'agent.*' --after 1000 -o json")]
    Events(Events),
    /// Show what happened to one agent or Llm, the newest first; also to one that is gone
    #[command(after_help = "\
Examples:
  mcpctl history agent local-coder
  mcpctl history llm vllm-local -o wide     with all that each event holds")]
    History(One),
    /// Explain whether an agent or Llm can be called, how it stands, since when and why, and what would change it
    #[command(after_help = "\
Examples:
  mcpctl why agent local-coder
  mcpctl why llm vllm-local                              also the name of a pool
  mcpctl why agent local-coder --as-of 2026-01-31T03:00:00Z")]
    Why(Why),
    /// Check, export, rebuild and replay the log that the registry is made of
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Show what changed between two points of the history, or what documents would change, field by field
    #[command(after_help = "\
Examples:
  mcpctl diff 100 200
  mcpctl diff 2026-01-31T12:00:00Z          from then until now
  mcpctl diff -f team.yaml                  what applying that would change
  mcpctl diff 100 200 -o json")]
    Diff(Diff),
    /// Move a log that outgrew one machine to Kafka, with its history and the same head; its server must be stopped
    #[cfg(feature = "dev")]
    #[command(after_help = "\
Examples:
  mcpctl migrate --from sqlite:data/log.db --to kafka://kafka:9092/registry
  mcpctl migrate --from sqlite:data/log.db --to kafka://kafka:9092/registry \\
    --from-db sqlite:data --to-db postgres://mcpd@postgres:5432/registry")]
    Migrate(Migrate),
    /// Say who may come in, and what they may do
    #[command(subcommand)]
    Token(token::Token),
    /// Say who you are and what you may do; let users do more
    #[command(subcommand)]
    Auth(auth::Auth),
    /// Keep servers with their tokens by name, and switch between them
    #[command(subcommand)]
    Context(context::Context),
    /// Keep a server's address and a token for later commands
    #[command(after_help = "\
Examples:
  mcpctl login --server http://127.0.0.1:8420    asks for the token
  mcpctl login --context staging                 keeps them by that name
  mcpctl login < token.txt                       reads the token from stdin")]
    Login,
    /// Write a completion script for a shell
    #[command(after_help = "\
Examples:
  mcpctl completions bash > ~/.local/share/bash-completion/completions/mcpctl
  mcpctl completions zsh > ~/.zfunc/_mcpctl
  mcpctl completions fish > ~/.config/fish/completions/mcpctl.fish")]
    Completions(Completions),
    /// Write manual pages
    #[command(after_help = "\
Examples:
  mcpctl man | man -l -                      the page of mcpctl
  mcpctl man --dir ~/.local/share/man/man1   then: man mcpctl-get")]
    Man(Man),
    /// Make the registry hold what documents say: Llms, projects, agents, personalities, prompts
    #[command(after_help = "\
Examples:
  mcpctl apply -f team.yaml                   created, configured or unchanged
  mcpctl apply -f team/ --dry-run             all files of a folder
  mcpctl apply -f team/ -l team=red --prune   delete what has no document left
  mcpctl get agent reviewer -o yaml | mcpctl apply -f -

A document is what `get -o yaml` prints; `---` is between two:
  kind: agent
  name: reviewer
  llm: qwen
  systemPrompt: You review code.")]
    Apply(Apply),
    /// Make an Llm, an agent, a project, a personality or a prompt from flags
    #[command(subcommand)]
    Create(create::Create),
    /// Change a definition in your editor: VISUAL, else EDITOR, else vi
    #[command(after_help = "\
Examples:
  mcpctl edit agent reviewer
  EDITOR='code --wait' mcpctl edit prompt house-style")]
    Edit(Item),
    /// Give an Llm or an agent labels, and take them away
    #[command(after_help = "\
Examples:
  mcpctl label agent reviewer team=red stage=beta
  mcpctl label agent reviewer stage-                 takes it away
  mcpctl get agents -l team=red")]
    Label(Label),
    /// Delete agents, Llms, projects, threads and more, cancel tasks
    #[command(after_help = "\
Examples:
  mcpctl delete agent reviewer
  mcpctl delete agents -l team=red               all that have the label
  mcpctl delete -f team.yaml                     what the documents name
  mcpctl delete thread 01890a5d-ac96-774b-bcce-b302099a8057")]
    Delete(Delete),
    /// Pause agents or Llms: calls get 503 until they are enabled
    #[command(after_help = "\
Examples:
  mcpctl disable agent local-coder
  mcpctl disable llms -l gpu=a100")]
    Disable(Many),
    /// End a pause
    #[command(after_help = "\
Examples:
  mcpctl enable agent local-coder
  mcpctl enable llm vllm-local")]
    Enable(Many),
    /// Run a whole registry here: server and publisher in one process
    #[cfg(feature = "dev")]
    #[command(after_help = "\
Publishes what config.json in $MCPCTL_HOME says, else the models of local
servers (Ollama, LM Studio, vLLM, llama.cpp), else an echo Llm and an agent.

Examples:
  mcpctl dev
  mcpctl dev --no-probe --listen 127.0.0.1:9000
  RUST_LOG=info mcpctl dev")]
    Dev(Box<crate::dev::Dev>),
}

/// Flags of `get`.
#[derive(Args, Clone)]
pub struct Get {
    /// What to list
    #[arg(value_enum)]
    pub noun: Noun,
    /// Only this one
    #[arg(add = ArgValueCompleter::new(completions::any))]
    pub name: Option<String>,
    /// Only rows of this kind (agents, llms)
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// Only rows with this status (agents, llms)
    #[arg(long, value_enum)]
    pub status: Option<Status>,
    /// Only rows with these labels (agents, llms)
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<Selector>,
    /// As it was then: a sequence, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub as_of: Option<String>,
    /// Whose (threads, personalities, prompts)
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completions::agents))]
    pub agent: Option<String>,
    /// Only after this sequence (events)
    #[arg(long, value_name = "SEQUENCE")]
    pub after: Option<u64>,
    /// Go on: on a terminal a live table, in a pipe a line for each change
    #[arg(short, long)]
    pub watch: bool,
}

/// One agent or Llm.
#[derive(Args)]
pub struct One {
    /// What it is
    #[arg(value_enum)]
    pub noun: RowNoun,
    /// Its name
    #[arg(add = ArgValueCompleter::new(completions::any))]
    pub name: String,
}

/// Flags of `why`.
#[derive(Args)]
pub struct Why {
    #[command(flatten)]
    pub of: One,
    /// As it was then: a sequence, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub as_of: Option<String>,
}

/// Several agents or Llms.
#[derive(Args)]
pub struct Many {
    /// What they are
    #[arg(value_enum)]
    pub noun: RowNoun,
    /// Their names
    #[arg(required_unless_present = "selector", conflicts_with = "selector", value_name = "NAME",
        add = ArgValueCompleter::new(completions::any))]
    pub names: Vec<String>,
    /// All that have these labels
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<Selector>,
}

/// Which events.
#[derive(Args, Default)]
pub struct Events {
    /// Go on with what happens; begins with the newest 10, or those that --after or --limit name
    #[arg(short, long)]
    pub follow: bool,
    /// Only after this sequence
    #[arg(long, value_name = "SEQUENCE")]
    pub after: Option<u64>,
    /// Only the newest N; with --after, the first N after it [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Only of this type, a glob such as 'agent.*'
    #[arg(long = "type", value_name = "GLOB")]
    pub type_: Option<String>,
    /// Only about this, for example agent/local-coder
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
}

/// Which shell.
#[derive(Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: ShellName,
}

/// Where manual pages go.
#[derive(Args)]
pub struct Man {
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Flags of `migrate`.
#[cfg(feature = "dev")]
#[derive(Args)]
pub struct Migrate {
    /// The log as it is: sqlite:<path>
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// Where it is to be: kafka://host:port[,host:port]/<topic>
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where chats, inference tasks and last uses of tokens are, if they are to be copied too: sqlite:<dir>
    #[arg(long, value_name = "URL", requires = "to_db")]
    pub from_db: Option<String>,
    /// Where those are to be: postgres://user@host:port/database
    #[arg(long, value_name = "URL", requires = "from_db")]
    pub to_db: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_command_has_examples_and_its_help_is_compared() {
        fn look(command: &clap::Command) {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_one = !command.has_subcommands();
            assert!(!is_one || after.contains("Examples:\n"), "{name}");
            let too_wide = after.lines().find(|line| line.chars().count() > 80);
            assert_eq!(too_wide, None, "{name}: a terminal of 80 columns breaks it");
            let file = name.replacen("mcpctl-", "help-", 1) + ".trycmd";
            let is_compared = ["", "dev"].map(|folder| Path::new("tests/cmd").join(folder).join(&file).is_file());
            assert!(name == "mcpctl" || is_compared.contains(&true), "tests/cmd has no {file}");
            command.get_subcommands().filter(|below| below.get_name() != "help").for_each(look);
        }
        let mut command = Cli::command();
        command.build();
        look(&command);
    }
}
