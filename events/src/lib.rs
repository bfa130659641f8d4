//! The log, the decisions and the wire types of the registry.
//!
//! The core is pure: no clock, no randomness, no runtime, no SQL. Times and ids come in with each command. Only the log
//! adapters touch files, each behind its own feature.
#![warn(missing_docs)]

pub mod access;
pub mod admission;
pub mod command;
pub mod decide;
pub mod definition;
pub mod event;
pub mod evolve;
pub mod hash;
pub mod heartbeat;
pub mod json;
pub mod leadership;
pub mod log;
pub mod name;
pub mod record;
pub mod rejection;
pub mod replay;
pub mod replica;
pub mod rewrite;
pub mod snapshot;
pub mod state;
pub mod time;
pub mod wire;
