//! The flags of `token`.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

/// What to do with tokens.
#[derive(Subcommand)]
pub enum Token {
    /// Make a token, and its user if that is new; it is printed this once
    #[command(after_help = "\
Examples:
  mcpctl token create --name ci --role chatter --expires 90d
  mcpctl token create --name ann-laptop --user ann --role publisher
  mcpctl token create --name ci --role viewer -o json")]
    Create(Create),
    /// List tokens, without their secrets
    List,
    /// Have a token stop working
    #[command(after_help = "\
Examples:
  mcpctl token revoke ci")]
    Revoke {
        /// Its name
        name: String,
    },
}

/// Flags of `token create`.
#[derive(Args)]
pub struct Create {
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// What it may do; each role includes the ones before it
    #[arg(long, value_enum)]
    pub role: Role,
    /// The user that it stands for [default: the token's name]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// When it stops working, such as 12h or 90d [default: never]
    #[arg(long, value_name = "DURATION")]
    pub expires: Option<String>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look
    Viewer,
    /// And chat
    Chatter,
    /// And publish models
    Publisher,
    /// And make, change, pause and delete public rows
    Editor,
    /// And tokens, the sweep, the audit, keys
    Admin,
}
