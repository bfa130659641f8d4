//! The flags of `context`.

use crate::completions;
use clap::Subcommand;
use clap_complete::ArgValueCompleter;

/// What to do with contexts.
#[derive(Subcommand)]
pub enum Context {
    /// List the contexts that there are; `*` marks the one in use
    #[command(after_help = "\
Examples:
  mcpctl context list")]
    List,
    /// Have later commands use a context
    #[command(after_help = "\
Examples:
  mcpctl context use staging
  mcpctl context use default      the credentials file")]
    Use {
        /// Its name
        #[arg(add = ArgValueCompleter::new(completions::contexts))]
        name: String,
    },
    /// Add a context, or give it a new token; asks for the token, like `login`
    #[command(after_help = "\
Examples:
  mcpctl context add staging --server https://models.example
  mcpctl --context staging get agents
  mcpctl context use staging")]
    Add {
        /// Its name
        name: String,
    },
    /// Forget a context, its server and its token
    #[command(after_help = "\
Examples:
  mcpctl context delete staging")]
    Delete {
        /// Its name
        #[arg(add = ArgValueCompleter::new(completions::contexts))]
        name: String,
    },
}
