//! What an audit says: heads of the log, and how a long walk along it goes.

use crate::{hash::Hash, time::LogTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The end of a history. Whoever keeps it can prove later that nothing before it was altered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Head {
    /// The log; none while it is empty.
    pub log_id: Option<String>,
    /// Sequence of the last event; 0 while there is none.
    pub sequence: u64,
    /// SHA-256 of the record that holds it, which names the hash of the one before, and so on.
    pub hash: String,
    /// Why the server reads no further, if it does not.
    pub stopped: Option<String>,
}

/// A head, and the server's word that it was its own: a line of `heads.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedHead {
    /// The log.
    pub log_id: Uuid,
    /// Sequence of the last event.
    pub sequence: u64,
    /// Hash of the record that holds it.
    pub hash: Hash,
    /// When it was signed.
    pub time: LogTime,
    /// The Ed25519 key that proves the signature, in hex.
    pub public_key: String,
    /// Ed25519 signature of [`message`](Self::message), in hex.
    pub signature: String,
}

impl SignedHead {
    /// What is signed: a line each of what this is, the log, the sequence, the hash and the time.
    pub fn message(&self) -> String {
        let Self { log_id, sequence, hash, time, .. } = self;
        format!("mcpctl head v1\n{log_id}\n{sequence}\n{hash}\n{time}\n")
    }
}

/// A line of the answer of a verification or a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Step {
    /// So far it got; comes again and again.
    Progress(Progress),
    /// The verification was made; the last line.
    Verified(Verified),
    /// The read tables were made anew; the last line.
    Rebuilt(Rebuilt),
    /// It could not be done, or not to its end; the last line.
    Failed {
        /// Why, in a sentence.
        error: String,
    },
}

/// How far a walk along the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// The last sequence that was dealt with.
    pub sequence: u64,
    /// Where the log ended when it began.
    pub of: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verified {
    /// The last sequence of the log; the chain was followed from the first record to there.
    pub sequence: u64,
    /// Hash of the record that holds it.
    pub hash: String,
    /// The sequence of the tables when they were compared.
    pub tables: u64,
    /// Rows of the tables that were compared, entries of the event index among them.
    pub rows: u64,
    /// How many differences there are.
    pub count: u64,
    /// The first twenty of them, a sentence each.
    pub differences: Vec<String>,
}

/// What a rebuild made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rebuilt {
    /// The generation of the new tables.
    pub generation: u64,
    /// The sequence that they were at when they took over.
    pub sequence: u64,
}
