//! Tokens as lists show them, and as they are shown once.

use serde::{Deserialize, Serialize};

/// A token, without its secret, of which only the hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Unique name.
    pub name: String,
    /// Name of the user that it stands for.
    pub user: String,
    /// `viewer`, `chatter`, `publisher`, `editor` or `admin`.
    pub role: String,
    /// When it stops working, if it does.
    pub expires_at: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was last used, to the second; null if it never was.
    pub last_used_at: Option<String>,
}

/// A token that was made just now: its secret is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// Unique name.
    pub name: String,
    /// Name of the user that it stands for.
    pub user: String,
    /// What it may do.
    pub role: String,
    /// When it stops working, if it does.
    pub expires_at: Option<String>,
    /// The secret.
    pub token: String,
}
