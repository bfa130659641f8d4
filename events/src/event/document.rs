//! The life of a project, a personality or a prompt.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Why something happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// By hand.
    User,
    /// The project that it belonged to was deleted.
    ProjectDeleted,
    /// The agent that it belonged to was deleted, or its name now means another agent.
    AgentDeleted,
    /// The personality that it belonged to was deleted.
    PersonalityDeleted,
}

/// What happened to a document. `D` is its definition.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentEvent<D> {
    /// It is there now and was not before.
    Created(Created<D>),
    /// Its definition changed.
    Updated(Updated<D>),
    /// It is gone.
    Deleted(Deleted),
}

/// A document that is there now and was not before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Created<D> {
    /// Why.
    pub cause: Cause,
    /// UUIDv7.
    pub id: Uuid,
    /// The user who made it.
    pub owner_id: Uuid,
    /// Counts changes, from 1.
    pub version: u64,
    /// All of its definition.
    pub definition: Arc<D>,
}

/// A change of definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Updated<D> {
    /// Why.
    pub cause: Cause,
    /// The new version.
    pub version: u64,
    /// All of its new definition.
    pub definition: Arc<D>,
}

/// A document that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// Why.
    pub cause: Cause,
    /// The id that it had.
    pub id: Uuid,
}
