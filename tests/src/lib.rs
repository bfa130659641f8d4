//! Harness of the end-to-end tests: starts the real programs in homes of their own, on free loopback ports, and plays
//! whoever is at their other ends (callers, publishers, model servers).
//!
//! It knows the programs from outside only: flags, files, HTTP. Nothing here sleeps for a state; it polls with a
//! deadline. It fails by panicking, and a failing test prints the ends of its programs' logs.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
#![expect(clippy::missing_panics_doc, reason = "a harness fails by panicking")]

pub mod client;
pub mod cluster;
pub mod home;
pub mod kafka;
pub mod mcpd;
pub mod mcplocal;
pub mod model;
pub mod nginx;
pub mod port;
pub mod postgres;
pub mod program;
pub mod publisher;
pub mod random;
pub mod raw;
pub mod samples;
pub mod sse;
pub mod wait;
pub mod wire;

pub use client::{Answer, Client};
pub use home::Home;
pub use kafka::Kafka;
pub use mcpd::Mcpd;
pub use mcplocal::Mcplocal;
pub use model::{Model, Reply};
pub use publisher::Publisher;
pub use raw::Raw;
pub use wait::{eventually, within};
