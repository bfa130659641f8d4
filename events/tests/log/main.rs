//! The log adapters: the conformance suite, and what only one of them has.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod crash;
mod file;
mod folder;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod sqlite;
