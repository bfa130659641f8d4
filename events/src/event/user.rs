//! Users: what they may do besides what the roles of their tokens allow.

use crate::access::Grant;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A user may do something more, with any of their tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// The user's id.
    pub user_id: Uuid,
    /// A verb and a resource, as in `run agent/local-*`.
    pub grant: Grant,
}

/// A user may no longer do that, unless a role allows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawn {
    /// The user's id.
    pub user_id: Uuid,
    /// A verb and a resource, as in `run agent/local-*`.
    pub grant: Grant,
}
