//! What documents would do to the registry, one after the other.

use super::error::ErrorBody;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Documents to try.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes<'a> {
    /// In the order in which they would be written: what others name comes before them.
    #[serde(borrow)]
    pub documents: Vec<Wish<'a>>,
}

/// One document to try.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish<'a> {
    /// `llm`, `agent`, `project`, `personality` or `prompt`.
    pub kind: String,
    /// The body that would create it; its `name` says what it would replace if that is there.
    #[serde(borrow)]
    pub definition: &'a RawValue,
}

/// What they would do.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tried {
    /// One for each document, up to the first that is refused.
    pub documents: Vec<Outcome>,
}

/// What one would do; a row is as its list would show it, and its id and times are no promise.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Outcome {
    /// It would make this row.
    Created {
        /// The row.
        #[cfg_attr(feature = "openapi", schema(value_type = Object))]
        row: Box<RawValue>,
    },
    /// It would make a row this.
    Configured {
        /// The row.
        #[cfg_attr(feature = "openapi", schema(value_type = Object))]
        row: Box<RawValue>,
    },
    /// This row is so already.
    Unchanged {
        /// The row.
        #[cfg_attr(feature = "openapi", schema(value_type = Object))]
        row: Box<RawValue>,
    },
    /// It would not be written, and what comes after it was not tried.
    Refused {
        /// The status that its write would get.
        status: u16,
        /// And the body.
        error: ErrorBody,
    },
}
