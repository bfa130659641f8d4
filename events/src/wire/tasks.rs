//! Calls that are answered later.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A call that is stored, and answered when there is a publisher for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InferenceTask {
    /// UUIDv7.
    pub id: String,
    /// The user who asked.
    pub owner_id: String,
    /// The Llm that is asked; null if a pool is.
    pub llm: Option<String>,
    /// The pool that is asked; null if an Llm is.
    pub pool: Option<String>,
    /// Path at the model server.
    pub path: String,
    /// `pending`, `claimed`, `running`, `completed`, `error` or `cancelled`.
    pub status: String,
    /// How often it was begun.
    pub attempts: u64,
    /// The Llm that it was sent to last.
    pub answered_by: Option<String>,
    /// The answer; in lists it is left out.
    pub response: Option<TaskResponse>,
    /// Why there is no answer.
    pub error: Option<String>,
    /// The same as a stable word.
    pub code: Option<String>,
    /// When it was asked.
    pub created_at: String,
    /// When it was begun last.
    pub claimed_at: Option<String>,
    /// When it came to its end.
    pub finished_at: Option<String>,
}

/// What a model server answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskResponse {
    /// Its HTTP status.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// JSON, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub body: Option<Box<RawValue>>,
    /// What is no JSON, such as the events of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
