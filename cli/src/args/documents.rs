//! Flags of the commands that take documents, and of those that change what documents hold.

use super::selector::Selector;
use super::{Deletable, Documented, RowNoun};
use crate::completions;
use crate::label::Change;
use clap::{ArgGroup, Args};
use clap_complete::ArgValueCompleter;
use std::path::PathBuf;

/// What to apply.
#[derive(Args)]
pub struct Apply {
    /// File of YAML or JSON documents, folder of such files, or - for stdin (repeatable)
    #[arg(short, long, value_name = "FILE|DIR|-", required = true)]
    pub file: Vec<PathBuf>,
    /// Only documents with these labels
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<Selector>,
    /// Afterwards, delete public Llms and agents that have the labels of -l and no document
    #[arg(long, requires = "selector")]
    pub prune: bool,
    /// Say what would be done, as the server sees it, or why it would be refused; do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Two points of the history.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["from", "file"]))]
pub struct Diff {
    /// The one point: a sequence, or a time such as 2026-01-31T12:00:00Z
    #[arg(value_name = "SEQUENCE|TIME")]
    pub from: Option<String>,
    /// The other point [default: now]
    #[arg(value_name = "SEQUENCE|TIME")]
    pub to: Option<String>,
    /// Instead: what documents would change; a file of them, a folder of such files, or - for stdin (repeatable)
    #[arg(short, long, value_name = "FILE|DIR|-")]
    pub file: Vec<PathBuf>,
    /// Only documents with these labels
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…", requires = "file")]
    pub selector: Option<Selector>,
}

/// One thing that has a document.
#[derive(Args)]
pub struct Item {
    /// What it is
    #[arg(value_enum)]
    pub noun: Documented,
    /// Its name
    #[arg(add = ArgValueCompleter::new(completions::any))]
    pub name: String,
}

/// Which labels.
#[derive(Args)]
pub struct Label {
    /// What it is
    #[arg(value_enum)]
    pub noun: RowNoun,
    /// Its name
    #[arg(add = ArgValueCompleter::new(completions::any))]
    pub name: String,
    /// KEY=VALUE gives a label, KEY- takes it away
    #[arg(required = true, value_name = "KEY=VALUE|KEY-")]
    pub changes: Vec<Change>,
}

/// What to delete.
#[derive(Args)]
pub struct Delete {
    /// What they are
    #[arg(value_enum, required_unless_present = "file", conflicts_with = "file")]
    pub noun: Option<Deletable>,
    /// Their names; of threads and tasks, their ids
    #[arg(required_unless_present_any = ["selector", "file"], conflicts_with = "selector", value_name = "NAME",
        add = ArgValueCompleter::new(completions::any))]
    pub names: Vec<String>,
    /// All agents or Llms, or of -f all documents, that have these labels
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<Selector>,
    /// What documents name: a file of them, a folder of such files, or - for stdin (repeatable)
    #[arg(short, long, value_name = "FILE|DIR|-")]
    pub file: Vec<PathBuf>,
}
