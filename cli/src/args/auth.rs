//! The flags of `auth`.

use clap::{Args, Subcommand};

/// What to ask, or change.
#[derive(Subcommand)]
pub enum Auth {
    /// Say whether you may do something, and why; exits with 1 if not
    #[command(
        name = "can-i",
        after_help = "\
Examples:
  mcpctl auth can-i run agent/local-coder
  mcpctl auth can-i create llm             any of them
  mcpctl auth can-i audit log && mcpctl audit verify"
    )]
    CanI {
        /// view, create, edit, delete, run or publish; also audit (the log) and gc (the registry)
        verb: String,
        /// A kind, such as agent, or a kind and a name, such as agent/local-coder
        resource: String,
    },
    /// Say whose token you use, its role, and what its user was granted
    #[command(after_help = "\
Examples:
  mcpctl auth whoami
  mcpctl auth whoami -o json")]
    Whoami,
    /// Print the token that commands here use, for other programs
    #[command(after_help = "\
Examples:
  export OPENAI_API_KEY=$(mcpctl auth token)")]
    Token,
    /// List what users were granted besides the roles of their tokens
    #[command(after_help = "\
Examples:
  mcpctl auth grants")]
    Grants,
    /// Let a user do something more, with any of their tokens
    #[command(after_help = "\
Examples:
  mcpctl auth grant ann run 'agent/local-*'
  mcpctl auth grant ann edit project/apollo")]
    Grant(Grant),
    /// Take a grant back
    #[command(after_help = "\
Examples:
  mcpctl auth withdraw ann run 'agent/local-*'")]
    Withdraw(Grant),
}

/// A grant.
#[derive(Args)]
pub struct Grant {
    /// The user
    pub user: String,
    /// create, edit, delete, run or publish
    pub verb: String,
    /// A kind and a name or a glob: llm, agent, project, personality or prompt, as in 'agent/local-*'
    pub resource: String,
}
