//! `audit export`: the records of the log to stdout, byte for byte; the chain is followed on the way.

use super::chain::{Broken, Chain};
use super::head;
use super::records::Lines;
use crate::args::audit::Export;
use crate::exit::Stuck;
use crate::output::Format;
use crate::output::progress::Bar;
use crate::shell::Shell;
use std::io::{BufWriter, IsTerminal, Write};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// Writes them.
pub async fn run(shell: &Shell, options: &Export) -> anyhow::Result<()> {
    shell.format_in_pieces(&[Format::Table, Format::Json], "audit export")?;
    let client = shell.client()?;
    let of = head::of(&client).await?;
    let mut lines = Lines::of_log(&client, options.until).await?;
    let mut out = BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
    // Records that run over the screen are progress enough.
    let bar =
        Bar::new("exporting", options.until.unwrap_or(of.sequence), shell.screen, !std::io::stdout().is_terminal());
    let (mut chain, mut records) = (Chain::default(), 0_u64);
    while let Some(line) = lines.next().await? {
        if let Err(broken) = chain.take(&line) {
            out.flush()?;
            drop(bar);
            let written = chain.head().sequence;
            let next = match broken {
                Broken::Altered(_) => format!(
                    "the record before that, the last of the {written} events that were written, or the one that comes next \
                     was altered; `mcpctl audit export --until {}` is the history before both, and `audit import` makes a \
                     log of it",
                    chain.sure()
                ),
                Broken::NoHistory { .. } => format!(
                    "what was written is the history before that, {written} events: `mcpctl audit import` makes a log of it"
                ),
            };
            return Err(Stuck::new(broken.to_string(), next).into());
        }
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        records += 1;
        bar.reach(chain.head().sequence);
    }
    out.flush()?;
    drop(bar);
    let head = chain.head();
    let wanted = options.until.unwrap_or(u64::MAX).min(of.sequence);
    if head.sequence < wanted {
        let problem =
            format!("the log ends at sequence {}, and the server has read {wanted} events of it", head.sequence);
        return Err(Stuck::new(problem, "`mcpctl audit verify` says how the log stands").into());
    }
    if options.until.is_some_and(|until| until > head.sequence) {
        shell.screen.note("the log ends before --until: this is all of it");
    }
    shell.screen.note(&format!("{records} records, {} events; head {head}", head.sequence));
    Ok(())
}
