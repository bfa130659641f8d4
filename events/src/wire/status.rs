//! How a server is, and the others of its log.

use serde::{Deserialize, Serialize};

/// What a server knows of itself and of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// The URL under which others reach the server that answers.
    pub url: String,
    /// Its version.
    pub version: String,
    /// The log, as far as it was read.
    pub log: LogStatus,
    /// The sequence that the read tables are at.
    pub tables_sequence: u64,
    /// URL of the server that appends to the log; null while there is none.
    pub leader: Option<String>,
    /// URLs of the servers that are there, as the one that leads sees them.
    pub replicas: Vec<String>,
    /// Publishers' sessions that the registry has.
    pub sessions: u64,
    /// Those of them whose stream is open.
    pub connected_sessions: u64,
    /// Relayed calls under way by way of the server that answers.
    pub open_calls: u64,
    /// Calls that wait there for a busy model.
    pub queued_calls: u64,
}

/// How a log is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogStatus {
    /// `sqlite` or `kafka`.
    pub backend: String,
    /// Its last sequence.
    pub sequence: u64,
    /// Hash of the commit that ends there; null for whoever may not audit the log.
    pub head: Option<String>,
    /// The term of the server that leads, or led last.
    pub term: u64,
}
