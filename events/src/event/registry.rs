//! What happens to the registry itself.

use crate::{hash::Hash, time::LogTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A writer's first commit of its term: leadership is part of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriterElected {
    /// The term that begins.
    pub term: u64,
    /// The writer's id, fresh for each claim.
    pub writer: Uuid,
    /// Where other replicas reach it.
    pub advertise_url: String,
}

/// This log was made of another one, from which something was erased: in its first commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewritten {
    /// The other log.
    pub log_id: Uuid,
    /// The last sequence that was taken from it.
    pub sequence: u64,
    /// Its head there, as it was before anything was erased.
    pub head: Hash,
}

/// Expiry is off until `until`: late expiry, never a false one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpirySuspended {
    /// `mass_silence` or `clock_step`.
    pub reason: String,
    /// Sessions that went silent in this sweep.
    pub stale_sessions: u64,
    /// Sessions that the registry had.
    pub sessions: u64,
    /// When expiry goes on.
    pub until: LogTime,
    /// The sweep that found it.
    pub sweep_id: Uuid,
}

/// Expiry is on again; what is still silent goes now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryResumed {
    /// The sweep that went on.
    pub sweep_id: Uuid,
}
