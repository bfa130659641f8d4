//! Reading a log page by page, decoding ahead of the fold.

use mcpctl_events::{
    log::{EventLog, Position, ReadError},
    replica::{Decoded, Replica, Stopped},
};
use std::{ops::ControlFlow, sync::mpsc, thread};

/// Records in a page.
const PAGE: usize = 1024;
/// Pages that decoding may be ahead.
const AHEAD: usize = 4;

/// Why the log could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The history is altered, or newer than this version.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Hands every record after `after` to `visit`, in order, until it breaks or the tip is reached; true at the tip.
/// Reading and decoding go on in a thread of their own. Blocks.
pub fn each_record<E: From<ReadError>>(
    log: &dyn EventLog,
    after: Position,
    mut visit: impl FnMut(Decoded) -> Result<ControlFlow<()>, E>,
) -> Result<bool, E> {
    thread::scope(|scope| {
        let (sender, pages) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || decode_ahead(log, after, &sender));
        for page in pages {
            for entry in page? {
                if visit(entry)?.is_break() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    })
}

/// Ends at the tip, on an error, or when nobody listens any more.
fn decode_ahead(log: &dyn EventLog, mut after: Position, pages: &mpsc::SyncSender<Result<Vec<Decoded>, ReadError>>) {
    loop {
        let page = log.read(after, PAGE);
        let last = page.as_ref().map_or(true, |page| page.at_tip);
        if let Ok(page) = &page {
            after = page.entries.last().map_or(after, |entry| entry.position);
        }
        let decoded = page.map(|page| page.entries.iter().map(Decoded::new).collect());
        if pages.send(decoded).is_err() || last {
            return;
        }
    }
}

/// Folds the log until `replica` has reached `sequence`, or the tip if that comes first. A record that goes beyond
/// `sequence` is folded whole. Blocks.
pub fn fold_to(log: &dyn EventLog, replica: &mut Replica, sequence: u64) -> Result<(), FoldError> {
    if replica.admission.last_sequence >= sequence {
        return Ok(());
    }
    each_record(log, replica.position, |entry| {
        replica.apply(&entry)?;
        let there = replica.admission.last_sequence >= sequence;
        Ok::<_, FoldError>(if there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(())
}
