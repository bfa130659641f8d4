//! The one shape of an error answer.

use serde::{Deserialize, Serialize};

/// Most problems of one request that an answer lists: whoever sent more has one fault many times over.
pub const MAX_PROBLEMS: usize = 1000;

/// `{"error": "<one clear sentence>", "code": "SCREAMING_SNAKE", "details": [...]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// One clear sentence for people.
    pub error: String,
    /// A stable word for programs.
    pub code: String,
    /// Every problem found in the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Problem>,
}

/// One problem of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// JSON pointer (RFC 6901) into the request body, or the name of a query parameter or header.
    pub pointer: String,
    /// What is wrong there, and what is expected.
    pub reason: String,
}
