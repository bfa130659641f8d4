//! Who somebody is, and what they may do.

use serde::{Deserialize, Serialize};

/// Whose token a request came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WhoAmI {
    /// Name of the user.
    pub user: String,
    /// `viewer`, `chatter`, `publisher`, `editor` or `admin`.
    pub role: String,
    /// Name of the token; null where none is asked for.
    pub token: Option<String>,
    /// When the token stops working, if it does.
    pub expires_at: Option<String>,
    /// What the user may do besides what the role allows, as in `run agent/local-*`.
    pub grants: Vec<String>,
}

/// Whether the caller may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// Whether they may.
    pub allowed: bool,
    /// Why, or what is missing.
    pub reason: String,
}

/// What a user may do besides what the roles of their tokens allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantRow {
    /// Name of the user.
    pub user: String,
    /// `create`, `edit`, `delete`, `run` or `publish`.
    pub verb: String,
    /// A kind and a name, or a glob, as in `agent/local-*`.
    pub resource: String,
    /// Since when.
    pub created_at: String,
}

/// Asks for a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewGrant {
    /// Name of the user.
    pub user: String,
    /// `create`, `edit`, `delete`, `run` or `publish`.
    pub verb: String,
    /// A kind and a name, or a glob, as in `agent/local-*`.
    pub resource: String,
}
