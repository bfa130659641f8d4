//! What holds for tables in SQLite files holds for those in a Postgres database: the same tests, against a real server.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
#![allow(clippy::unwrap_used, reason = "a test that fails should panic")]

mod dir;
#[path = "../it/filters.rs"]
mod filters;
#[path = "../it/follow.rs"]
mod follow;
#[path = "../it/life.rs"]
mod life;
mod outage;
#[path = "../it/projection.rs"]
mod projection;
#[path = "../it/rebuild.rs"]
mod rebuild;
#[path = "../it/verify.rs"]
mod verify;
#[path = "../it/work.rs"]
mod work;
