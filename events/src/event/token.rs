//! Tokens. Only a token's SHA-256 is ever on the log.

use crate::{hash::Hash, name::Name, time::LogTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a token may do. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// Look.
    Viewer,
    /// And chat.
    Chatter,
    /// And publish.
    Publisher,
    /// And edit public rows.
    Editor,
    /// And everything else.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Chatter, Self::Publisher, Self::Editor, Self::Admin];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Chatter => "chatter",
            Self::Publisher => "publisher",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// A token was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenIssued {
    /// UUIDv7.
    pub id: Uuid,
    /// The user that it stands for.
    pub user_id: Uuid,
    /// That user's name.
    pub user: Name,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub sha256: Hash,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<LogTime>,
}

/// A token was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// The token's id.
    pub id: Uuid,
}
