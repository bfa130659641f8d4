//! What documents would do to the registry, one after the other.

use super::error::ErrorBody;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Most documents that are tried at once.
pub const MOST: usize = 10_000;

/// Documents to try.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes<'a> {
    /// [`Wish`]es, at most [`MOST`], in the order in which they would be written: what others name comes before them.
    #[serde(borrow)]
    pub documents: Vec<&'a RawValue>,
}

/// One document to try, or a row to delete.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish<'a> {
    /// `llm`, `agent`, `project`, `personality` or `prompt`.
    pub kind: String,
    /// The body that would create it; its `name` says what it would replace if that is there.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<&'a RawValue>,
    /// Instead: the name of an Llm or an agent that would be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
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
    /// The row is so already.
    Unchanged {},
    /// It would delete a row.
    Deleted {},
    /// It would not be written, and what comes after it was not tried.
    Refused {
        /// The status that its write would get.
        status: u16,
        /// And the body.
        error: ErrorBody,
    },
}
