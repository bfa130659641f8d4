//! The flags of `audit`.

use super::One;
use crate::audit::Point;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with the log.
#[derive(Subcommand)]
pub enum Audit {
    /// Print the end of the log: its sequence and hash, to be kept elsewhere
    #[command(after_help = "\
Examples:
  mcpctl audit head > head.txt
  mcpctl audit head -o json")]
    Head,
    /// Follow the hash chain through the whole log, and compare every row of the tables with a fresh fold of it
    #[command(after_help = "\
Examples:
  mcpctl audit verify
  mcpctl audit verify --against \"$(cat head.txt)\"   is that still in it?
  mcpctl audit verify --heads heads.jsonl --head-key head.pub")]
    Verify(Verify),
    /// Make the read tables anew from the log; until they are complete, the old ones are read
    #[command(after_help = "\
Examples:
  mcpctl audit rebuild")]
    Rebuild,
    /// Write the log to stdout: its records, byte for byte, one a line
    #[command(after_help = "\
Examples:
  mcpctl audit export > log.jsonl
  mcpctl audit export --until 1000 | gzip > log.jsonl.gz
  mcpctl audit export | jq -c '.events[]?'")]
    Export(Export),
    /// Make a log from an export, offline; it has the same head then
    #[command(after_help = "\
Examples:
  mcpctl audit import log.jsonl --log sqlite:data/log.db
  zcat log.jsonl.gz | mcpctl audit import - --log sqlite:data/log.db
  mcpctl audit import altered.jsonl --log sqlite:new.db --rewritten 1234:9f2c…")]
    Import(Import),
    /// Print the whole registry as it was at some point
    #[command(after_help = "\
Examples:
  mcpctl audit replay --until 1000
  mcpctl audit replay --until 2026-01-31T12:00:00Z -o json")]
    Replay(Replay),
    /// Draw the life of an agent or Llm: its status over time as a bar
    #[command(after_help = "\
Examples:
  mcpctl audit timeline agent local-coder
  mcpctl audit timeline llm vllm-local --since 2026-01-31T12:00:00Z")]
    Timeline(Timeline),
}

/// Flags of `audit verify`.
#[derive(Args)]
pub struct Verify {
    /// A head that was kept, as `audit head` printed it; may be given several times
    #[arg(long, value_name = "SEQUENCE:HASH")]
    pub against: Vec<Point>,
    /// A copy of the server's heads.jsonl, - for stdin: every head in it has to be signed, and in the history
    #[arg(long, value_name = "FILE")]
    pub heads: Option<PathBuf>,
    /// The public key that they have to be signed with, in PEM
    #[arg(long, value_name = "FILE", requires = "heads")]
    pub head_key: Option<PathBuf>,
}

/// Flags of `audit export`.
#[derive(Args)]
pub struct Export {
    /// Only up to the record that holds this sequence
    #[arg(long, value_name = "SEQUENCE")]
    pub until: Option<u64>,
}

/// Flags of `audit import`.
#[derive(Args)]
pub struct Import {
    /// The export; - for stdin
    pub file: PathBuf,
    /// Where the log is to be: sqlite:<path>
    #[arg(long, value_name = "URL")]
    pub log: String,
    /// The export was altered, to erase something: make a new log of it, whose first commit names this head of the old one
    #[arg(long, value_name = "SEQUENCE:HASH")]
    pub rewritten: Option<Point>,
}

/// Flags of `audit replay`.
#[derive(Args)]
pub struct Replay {
    /// As it was then: a sequence, or a time such as 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub until: Option<String>,
}

/// Flags of `audit timeline`.
#[derive(Args)]
pub struct Timeline {
    /// Whose
    #[command(flatten)]
    pub of: One,
    /// Only from this time on, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<mcpctl_events::time::LogTime>,
}
