//! The binary against a small server in this process: what it asks for, prints, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test that fails should panic")]

mod chat;
mod describe;
mod events;
mod failures;
mod pipe;
mod program;
mod server;
#[cfg(target_os = "linux")]
mod terminal;
