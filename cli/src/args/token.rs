//! The flags of `token`.

use crate::completions;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use mcpctl_events::event::token::Role;

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
    #[command(after_help = "\
Examples:
  mcpctl token list
  mcpctl token list -o json")]
    List,
    /// Have a token stop working
    #[command(after_help = "\
Examples:
  mcpctl token revoke ci")]
    Revoke {
        /// Its name
        #[arg(add = ArgValueCompleter::new(completions::tokens))]
        name: String,
    },
}

/// Flags of `token create`.
#[derive(Args)]
pub struct Create {
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// What it may do, each with the ones before it: look, chat, publish, edit public rows, all else
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::as_str)))]
    pub role: String,
    /// The user that it stands for [default: the token's name]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// When it stops working, such as 12h or 90d [default: never]
    #[arg(long, value_name = "DURATION")]
    pub expires: Option<String>,
}
