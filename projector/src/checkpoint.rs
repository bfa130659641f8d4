//! How far the read tables are, and whether the log is still the one that they were made from.

use mcpctl_events::{admission::Admission, hash::Hash, log::Position};
use uuid::Uuid;

/// The last event that the read tables hold, and what the log looked like there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Sequence of the last event in the tables; 0 when they are empty.
    pub sequence: u64,
    /// Hash of the commit that ends there.
    pub head: Hash,
    /// That commit's place in the log.
    pub position: Position,
    /// The log; none while the tables are empty.
    pub log_id: Option<Uuid>,
    /// Counts rebuilds, from 1.
    pub generation: u64,
}

/// The log is not the one that the tables were made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The log ends before the checkpoint.
    #[error(
        "the history on the log ends at sequence {log}, before the checkpoint {tables} of the read tables: the log was \
         cut short, or an older copy is in its place; restore the right log. To go on without what is lost, move the \
         read tables (tables-*.db and tables.generation) away, or point --db at a fresh place"
    )]
    Truncated {
        /// Last sequence of the log.
        log: u64,
        /// Sequence of the checkpoint.
        tables: u64,
    },
    /// The log has another past.
    #[error(
        "the history on the log is not the one that the read tables were made from: it differs at or before their \
         checkpoint {tables}; restore the right log, or rebuild the tables (`mcpd-projector rebuild`), or point --db at \
         a fresh place"
    )]
    OtherHistory {
        /// Sequence of the checkpoint.
        tables: u64,
    },
}

impl Checkpoint {
    /// Compares with what admission says once the log was read up to this checkpoint's sequence, or to its end if that
    /// comes first. Use [`fold_to`](mcpctl_events::replay::fold_to) to get there.
    ///
    /// # Errors
    /// How the log differs, and what to do.
    pub fn check(&self, known: &Admission) -> Result<(), Mismatch> {
        let same_log = self.log_id.is_none_or(|id| known.log_id == Some(id));
        if same_log && known.last_sequence < self.sequence {
            return Err(Mismatch::Truncated { log: known.last_sequence, tables: self.sequence });
        }
        if known.last_sequence != self.sequence || known.head != self.head || !same_log {
            return Err(Mismatch::OtherHistory { tables: self.sequence });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let log_id = Some(Uuid::from_u128(1));
        Checkpoint { sequence: 7, head: Hash::of(b"seven"), position: Position(9), log_id, generation: 1 }
    }

    fn known(sequence: u64, head: Hash, log: u128) -> Admission {
        Admission { log_id: Some(Uuid::from_u128(log)), last_sequence: sequence, head, ..Admission::default() }
    }

    #[test]
    fn only_the_very_same_history_passes() {
        let head = Hash::of(b"seven");
        assert_eq!(checkpoint().check(&known(7, head, 1)), Ok(()));
        for other in [known(7, Hash::of(b"7"), 1), known(8, head, 1), known(7, head, 2)] {
            assert_eq!(checkpoint().check(&other), Err(Mismatch::OtherHistory { tables: 7 }));
        }
    }

    #[test]
    fn a_shorter_log_is_said_to_be_shorter() {
        let error = checkpoint().check(&known(5, Hash::of(b"five"), 1)).unwrap_err();
        assert_eq!(error, Mismatch::Truncated { log: 5, tables: 7 });
        for word in ["checkpoint", "history", "--db", "tables.generation", "restore"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
