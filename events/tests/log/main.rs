//! The log adapters: the conformance suite, and what only SQLite has.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod crash;
mod file;
mod folder;
mod memory;
mod sqlite;
