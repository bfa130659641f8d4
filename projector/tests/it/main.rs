//! The projector against real SQLite files.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
#![allow(clippy::unwrap_used, reason = "a test that fails should panic")]

mod binary;
mod dir;
mod files;
mod filters;
mod follow;
mod life;
mod projection;
mod rebuild;
mod verify;
mod work;
